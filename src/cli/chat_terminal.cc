// The chat on a terminal: line editing and history by libedit.
#include <fmt/core.h>
#include <histedit.h>
#include <langinfo.h>

#include <cerrno>
#include <clocale>
#include <memory>

#include "base/error.h"
#include "cli/chat.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

constexpr const char* kHelp =
    "  /help        this text\n"
    "  /image FILE  show a picture (PNG, JPEG, WebP) with the next message\n"
    "  /reset       forget the conversation\n"
    "  /stats       speed and memory of the last answer\n"
    "  /exit        leave (also Ctrl-D)\n"
    "  A line that ends in \\ goes on in the next one; \"\"\" begins and ends a text of several lines.\n"
    "  Ctrl-C stops the answer, or clears the line.\n";

constexpr std::string_view kImage = "/image";

char first_prompt[] = ">>> ";
char next_prompt[] = "... ";

char* show_prompt(EditLine* editor) {
  void* continuing = nullptr;
  el_get(editor, EL_CLIENTDATA, &continuing);
  return continuing != nullptr && *static_cast<bool*>(continuing) ? next_prompt : first_prompt;
}

// libedit drops what the locale's character set lacks; text is UTF-8 here, also where no locale is set.
void use_utf8_locale() {
  if (std::setlocale(LC_CTYPE, "") != nullptr && std::string_view(::nl_langinfo(CODESET)) == "UTF-8") return;
  std::setlocale(LC_CTYPE, "C.UTF-8");
}

class LineEditor {
 public:
  LineEditor()
      : editor_((use_utf8_locale(), el_init("oag", stdin, stdout, stderr)), el_end),
        history_(history_init(), history_end) {
    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, 1000);
    el_set(editor_.get(), EL_PROMPT, show_prompt);
    el_set(editor_.get(), EL_EDITOR, "emacs");
    el_set(editor_.get(), EL_SIGNAL, 0);
    el_set(editor_.get(), EL_HIST, history, history_.get());
    el_set(editor_.get(), EL_CLIENTDATA, &continuing_);
    el_source(editor_.get(), nullptr);
  }

  enum class Read { kLine, kInterrupted, kEnd };

  // One line without its newline.
  Read read(bool continuing, std::string& line) {
    continuing_ = continuing;
    InterruptScope interrupt(InterruptScope::Second::kIsIgnored);
    int length = 0;
    errno = 0;
    const char* text = el_gets(editor_.get(), &length);
    if (text == nullptr || length <= 0) {
      if (!InterruptScope::interrupted()) return Read::kEnd;
      el_reset(editor_.get());
      fmt::print("\n");
      return Read::kInterrupted;
    }
    line.assign(text, static_cast<size_t>(length));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    return Read::kLine;
  }

  void remember(const std::string& text) {
    HistEvent event;
    history(history_.get(), &event, H_ENTER, text.c_str());
  }

 private:
  std::unique_ptr<EditLine, void (*)(EditLine*)> editor_;
  std::unique_ptr<History, void (*)(History*)> history_;
  bool continuing_ = false;
};

// Ctrl-C and Ctrl-D within a message give up that message, not the chat.
LineEditor::Read give_up(const std::string& message) {
  if (!message.empty() && !InterruptScope::terminated())
    fmt::print("{}\n", dim("(given up; the arrow keys bring it back)", use_color(stdout_is_terminal())));
  return LineEditor::Read::kInterrupted;
}

// A whole message: lines joined by a trailing backslash or between """ marks.
LineEditor::Read read_message(LineEditor& editor, std::string& message) {
  message.clear();
  std::string line;
  const LineEditor::Read first = editor.read(false, line);
  if (first != LineEditor::Read::kLine) return first;
  if (line.starts_with("\"\"\"")) {
    message = line.substr(3);
    for (;;) {
      if (const size_t close = message.find("\"\"\""); close != std::string::npos) {
        message.erase(close);
        return LineEditor::Read::kLine;
      }
      if (editor.read(true, line) != LineEditor::Read::kLine) return give_up(message);
      message += (message.empty() ? "" : "\n") + line;
    }
  }
  while (line.ends_with('\\')) {
    message += line.substr(0, line.size() - 1) + "\n";
    if (editor.read(true, line) != LineEditor::Read::kLine) return give_up(message);
  }
  message += line;
  return LineEditor::Read::kLine;
}

std::string limit_text(const Chat& chat, const Answer& answer) {
  const int64_t limit = chat.max_tokens();
  return limit >= 0 && static_cast<int64_t>(answer.result.token_ids.size()) >= limit
             ? fmt::format("(the answer reached its limit of {} tokens, -n)", limit)
             : "(the answer reached its limit, the context is full; /reset starts afresh)";
}

void answer(Chat& chat, const std::string& message, std::string& stats) {
  InterruptScope interrupt(InterruptScope::Second::kIsIgnored);
  try {
    const Answer answer = chat.ask(message, [](std::string_view text) {
      const std::string shown = printable_lines(text);
      return std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
    });
    fmt::print("\n");
    stats = chat.stats_line(answer);
    if (answer.result.finish_reason == FinishReason::kCancelled)
      fmt::print("{}\n", dim("(stopped)", use_color(stdout_is_terminal())));
    if (answer.result.finish_reason == FinishReason::kError)
      print_stderr("oag: {}\n", printable(answer.result.error));
    if (answer.result.finish_reason == FinishReason::kLength) {
      fmt::print("{}\n", dim(limit_text(chat, answer), use_color(stdout_is_terminal())));
    }
  } catch (const Error& error) {
    print_stderr("oag: {}\n", printable(error.what()));
    fmt::print("{}\n", dim("(/reset forgets the conversation)", use_color(stdout_is_terminal())));
  }
}

// `/image FILE`; the name goes to the end of the line, so it may have spaces.
void show_image(Chat& chat, std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t", kImage.size());
  if (begin == std::string_view::npos) {
    fmt::print("which picture? /image FILE\n");
    return;
  }
  const std::string_view file = line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
  try {
    const auto [width, height] = chat.add_image(std::string(file));
    fmt::print("{}\n", dim(fmt::format("(a picture of {}x{} goes with the next message)", width, height),
                           use_color(stdout_is_terminal())));
  } catch (const Error& error) {
    print_stderr("oag: {}\n", printable(error.what()));
  }
}

// "/stat" and "/imge a.png", but not "/usr/bin is a folder": of a line that begins with a word after a slash,
// that word; else nothing.
std::string_view command_word(std::string_view line) {
  const std::string_view word = line.substr(0, line.find_first_of(" \t\n"));
  const bool is_word = word.size() > 1 && word.front() == '/' && word.find('/', 1) == std::string_view::npos;
  return is_word ? word : std::string_view();
}

bool is_image_command(std::string_view line) {
  return line == kImage || line.starts_with(std::string(kImage) + ' ') ||
         line.starts_with(std::string(kImage) + '\t');
}

}  // namespace

int chat_on_terminal(Chat& chat, bool show_stats) {
  // Between an answer and the next line too, a signal must not end the program with the terminal as it is.
  const InterruptScope interrupt(InterruptScope::Second::kIsIgnored);
  fmt::print("{}\n", dim(fmt::format("{}, {}. /help lists what you can do.", printable(chat.bundle().name()),
                                     chat.bundle().precision()),
                         use_color(stdout_is_terminal())));
  LineEditor editor;
  std::string message, stats = "no answer yet";
  while (!InterruptScope::terminated()) {
    const LineEditor::Read read = read_message(editor, message);
    if (InterruptScope::terminated() || read == LineEditor::Read::kEnd) break;
    // The arrow keys bring back what was given up.
    if (read == LineEditor::Read::kInterrupted && !message.empty()) editor.remember(message);
    if (read == LineEditor::Read::kInterrupted || message.find_first_not_of(" \t\n") == std::string::npos)
      continue;
    editor.remember(message);
    if (message == "/exit" || message == "/quit") return kExitOk;
    if (message == "/help") {
      fmt::print("{}", kHelp);
    } else if (message == "/reset") {
      chat.reset();
      fmt::print("{}\n", dim("(the conversation is forgotten)", use_color(stdout_is_terminal())));
    } else if (message == "/stats") {
      fmt::print("{}\n", stats);
    } else if (is_image_command(message)) {
      show_image(chat, message);
    } else if (const std::string_view word = command_word(message); !word.empty()) {
      fmt::print("unknown command {}; /help lists what there is, and a space in front makes it a text\n",
                 printable(word));
    } else {
      answer(chat, message, stats);
      if (show_stats) print_stderr("{}\n", stats);
    }
  }
  fmt::print("\n");
  return InterruptScope::terminated() ? kExitInterrupted : kExitOk;
}

}  // namespace oag::cli
