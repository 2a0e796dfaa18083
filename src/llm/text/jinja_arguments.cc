#include "llm/text/jinja_arguments.h"

#include <algorithm>

namespace oag::jinja {

Arguments::Arguments(Runtime& rt, std::string_view what, const CallArgs& args,
                     std::initializer_list<std::string_view> names, size_t required)
    : rt_(rt), what_(what), values_(names.size(), nullptr) {
  if (args.positional.size() > names.size()) {
    rt.fail("{} takes at most {} arguments, saw {}", what, names.size(), args.positional.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.keywords) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) rt.fail("{} has no argument '{}'", what, name);
    const auto i = static_cast<size_t>(found - names.begin());
    if (values_[i]) rt.fail("{} got argument '{}' twice", what, name);
    values_[i] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) rt.fail("{} needs the argument '{}'", what, names.begin()[i]);
  }
}

int64_t Arguments::integer(size_t i, int64_t fallback) const {
  if (!values_[i]) return fallback;
  if (values_[i]->is_undefined()) rt_.fail("{}", values_[i]->reason());
  if (!values_[i]->is_integral()) {
    rt_.fail("argument {} of {} must be an integer, saw {}", i + 1, what_, type_name(*values_[i]));
  }
  return values_[i]->integer();
}

const std::string& Arguments::text(size_t i) const {
  if (values_[i]->is_undefined()) rt_.fail("{}", values_[i]->reason());
  if (!values_[i]->is_string()) {
    rt_.fail("argument {} of {} must be a text, saw {}", i + 1, what_, type_name(*values_[i]));
  }
  return values_[i]->text();
}

std::string Arguments::text(size_t i, std::string_view fallback) const {
  return values_[i] ? text(i) : std::string(fallback);
}

bool Arguments::flag(size_t i, bool fallback) const {
  return values_[i] ? truthy(*values_[i]) : fallback;
}

}  // namespace oag::jinja
