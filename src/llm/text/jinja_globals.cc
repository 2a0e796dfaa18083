#include "llm/text/jinja_globals.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "llm/text/jinja_arguments.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"

namespace oag::jinja {

namespace {

constexpr int64_t kMaxRange = 100'000;  // as jinja2's sandbox

Value range(Runtime& rt, const CallArgs& args) {
  const Arguments bound(rt, "range", args, {"start", "stop", "step"}, 1);
  const int64_t start = bound.has(1) ? bound.integer(0, 0) : 0;
  const int64_t stop = bound.integer(bound.has(1) ? 1 : 0, 0);
  const int64_t step = bound.integer(2, 1);
  if (step == 0) rt.fail("the step of range cannot be zero");
  const bool up = step > 0;
  std::vector<Value> items;
  for (int64_t i = start; up ? i < stop : i > stop;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange)
      rt.fail_limit("a range of more than {} items", kMaxRange);
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  Value value = rt.list(std::move(items), ListKind::kRange);
  value.list().description = step == 1 ? fmt::format("range({}, {})", start, stop)
                                       : fmt::format("range({}, {}, {})", start, stop, step);
  return value;
}

void set_checked(Runtime& rt, Dict& dict, const Value& key, const Value& value) {
  if (!Dict::can_be_key(key)) rt.fail("a value of type {} cannot be a key", type_name(key));
  rt.spend(1);
  dict.set(key, value);
}

// What dict() and namespace() are filled with: a mapping or pairs, then keywords.
void fill(Runtime& rt, Dict& dict, std::string_view what, const CallArgs& args) {
  if (args.positional.size() > 1) rt.fail("{} takes one positional argument at most", what);
  if (!args.positional.empty() && args.positional[0].is_dict()) {
    for (const auto& [key, value] : args.positional[0].dict().entries) set_checked(rt, dict, key, value);
  } else if (!args.positional.empty()) {
    if (args.positional[0].is_undefined()) rt.fail("{}", args.positional[0].reason());
    for (const Value& item : iterate(rt, args.positional[0])) {
      const std::vector<Value> pair = iterate(rt, item);
      if (pair.size() != 2) rt.fail("{} needs pairs, saw {} items", what, pair.size());
      set_checked(rt, dict, pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : args.keywords) set_checked(rt, dict, Value(name), value);
}

Value make_dict(Runtime& rt, const CallArgs& args) {
  Dict* dict = rt.make_dict();
  fill(rt, *dict, "dict", args);
  return Value(dict);
}

Value make_namespace(Runtime& rt, const CallArgs& args) {
  Namespace* space = rt.make_namespace();
  fill(rt, space->attributes, "namespace", args);
  return Value(space);
}

Value make_joiner(Runtime& rt, const CallArgs& args) {
  const Arguments bound(rt, "joiner", args, {"sep"});
  Callable* joiner = rt.make_callable();
  joiner->type = Callable::Type::kJoiner;
  joiner->name = "joiner";
  joiner->self = bound.get(0, Value(std::string(", ")));
  return Value(joiner);
}

Value raise_exception(Runtime& rt, const CallArgs& args) {
  const Arguments bound(rt, "raise_exception", args, {"message"}, 1);
  rt.fail("{}", to_text(rt, bound[0]));
}

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};

std::tm local_time(const Runtime& rt) {
  if (rt.limits().local_time) return *rt.limits().local_time;
  const std::time_t now = std::time(nullptr);
  std::tm time = {};
  localtime_r(&now, &time);
  return time;
}

// The digits of one numeric directive, or nothing; `pad` is '0', ' ' or none.
std::string directive_number(const std::tm& time, char directive, char pad) {
  const auto two = [&](int value) {
    return pad == '0'   ? fmt::format("{:02}", value)
           : pad == ' ' ? fmt::format("{:2}", value)
                        : fmt::to_string(value);
  };
  switch (directive) {
    case 'd':
    case 'e': return two(time.tm_mday);
    case 'm': return two(time.tm_mon + 1);
    case 'y': return two((time.tm_year % 100 + 100) % 100);
    case 'H': return two(time.tm_hour);
    case 'I': return two((time.tm_hour + 11) % 12 + 1);
    case 'M': return two(time.tm_min);
    case 'S': return two(time.tm_sec);
    case 'j': return pad == '0' ? fmt::format("{:03}", time.tm_yday + 1) : fmt::to_string(time.tm_yday + 1);
    case 'Y': return fmt::to_string(time.tm_year + 1900);
    case 'u': return fmt::to_string(time.tm_wday == 0 ? 7 : time.tm_wday);
    case 'w': return fmt::to_string(time.tm_wday);
    default: return {};
  }
}

void append_time(Runtime& rt, std::string& out, const std::tm& time, std::string_view format) {
  const auto day = kDays[static_cast<size_t>(std::clamp(time.tm_wday, 0, 6))];
  const auto month = kMonths[static_cast<size_t>(std::clamp(time.tm_mon, 0, 11))];
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      rt.append(out, format.substr(i, 1));
      continue;
    }
    char directive = format[++i];
    char pad = directive == 'e' ? ' ' : '0';
    if ((directive == '-' || directive == '_') && i + 1 < format.size()) {
      pad = directive == '-' ? '\0' : ' ';
      directive = format[++i];
      if (directive == 'e' && pad == '\0') directive = 'd';
    }
    switch (directive) {
      case 'a': rt.append(out, day.substr(0, 3)); break;
      case 'A': rt.append(out, day); break;
      case 'b':
      case 'h': rt.append(out, month.substr(0, 3)); break;
      case 'B': rt.append(out, month); break;
      case 'p': rt.append(out, time.tm_hour < 12 ? "AM" : "PM"); break;
      case 'F': append_time(rt, out, time, "%Y-%m-%d"); break;
      case 'T':
      case 'X': append_time(rt, out, time, "%H:%M:%S"); break;
      case 'R': append_time(rt, out, time, "%H:%M"); break;
      case 'D':
      case 'x': append_time(rt, out, time, "%m/%d/%y"); break;
      case 'c': append_time(rt, out, time, "%a %b %e %H:%M:%S %Y"); break;
      case 'Z':
      case 'z': break;  // a naive time has no zone
      case '%': rt.append(out, "%"); break;
      case 'n': rt.append(out, "\n"); break;
      case 't': rt.append(out, "\t"); break;
      default: {
        const std::string number = directive_number(time, directive, pad);
        if (number.empty()) rt.fail("strftime_now does not know the directive '%{}'", directive);
        rt.append(out, number);
      }
    }
  }
}

Value strftime_now(Runtime& rt, const CallArgs& args) {
  const Arguments bound(rt, "strftime_now", args, {"format"}, 1);
  std::string out;
  append_time(rt, out, local_time(rt), bound.text(0));
  return Value(std::move(out));
}

struct Entry {
  std::string_view name;
  Value (*call)(Runtime& rt, const CallArgs& args);
};

constexpr Entry kGlobals[] = {
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
    {"range", range},
    {"dict", make_dict},
    {"namespace", make_namespace},
    {"joiner", make_joiner},
};

const Entry* find_global(std::string_view name) {
  for (const Entry& entry : kGlobals) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

bool is_global(std::string_view name) {
  return find_global(name) != nullptr;
}

Value call_global(Runtime& rt, std::string_view name, const CallArgs& args) {
  return find_global(name)->call(rt, args);
}

}  // namespace oag::jinja
