#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "base/error.h"

// Stands before the C library's: the mask belongs to the whole process, and threads that make files meanwhile
// would see another one.
static int g_mask_changes = 0;
extern "C" mode_t umask(mode_t mask) noexcept {
  ++g_mask_changes;
  return static_cast<mode_t>(::syscall(SYS_umask, mask));
}

namespace oag {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = testing::TempDir() + "oag_file_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  size_t files_in_folder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

using MappedFileTest = FileTest;

TEST_F(MappedFileTest, ShowsTheWholeFile) {
  const auto file = MappedFile::open(write("a", "some bytes"));
  EXPECT_EQ(text_of(*file), "some bytes");
  EXPECT_FALSE(file->damaged());
  EXPECT_FALSE(file->changed_since_open());
}

TEST_F(MappedFileTest, AnEmptyFileGivesAnEmptySpan) {
  const auto file = MappedFile::open(write("a", ""));
  EXPECT_TRUE(file->bytes().empty());
  EXPECT_FALSE(file->damaged());
}

TEST_F(MappedFileTest, AMissingFileIsNotFound) {
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_ / "none"); }), ErrorCode::kNotFound);
}

TEST_F(MappedFileTest, AFolderIsRefused) {
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_); }), ErrorCode::kIo);
}

TEST_F(MappedFileTest, ReadsGiveZerosWhenTheFileShrinksWhileMapped) {
  const fs::path path = write("a", std::string(5 * 65536, 'x'));
  const auto file = MappedFile::open(path);
  fs::resize_file(path, 65536);
  EXPECT_TRUE(file->changed_since_open());
  EXPECT_FALSE(file->damaged());  // nothing beyond the new end was read yet
  const std::string seen = text_of(*file);
  EXPECT_EQ(seen.substr(0, 65536), std::string(65536, 'x'));
  EXPECT_EQ(seen.substr(65536), std::string(4 * 65536, '\0'));
  EXPECT_TRUE(file->damaged());
}

TEST_F(MappedFileTest, DamageToOneFileIsNotReportedForAnother) {
  const fs::path path = write("a", std::string(200000, 'x'));
  const auto damaged = MappedFile::open(path);
  const auto sound = MappedFile::open(write("b", std::string(200000, 'y')));
  fs::resize_file(path, 0);
  EXPECT_EQ(text_of(*damaged), std::string(200000, '\0'));
  EXPECT_EQ(text_of(*sound), std::string(200000, 'y'));
  EXPECT_TRUE(damaged->damaged());
  EXPECT_FALSE(sound->damaged());
}

TEST_F(MappedFileTest, KeepsTheOldContentWhenTheFileIsReplacedByRename) {
  const fs::path path = write("a", "old");
  const auto file = MappedFile::open(path);
  fs::rename(write("b", "new text"), path);
  EXPECT_EQ(text_of(*file), "old");
  EXPECT_FALSE(file->damaged());
  EXPECT_EQ(text_of(*MappedFile::open(path)), "new text");
}

TEST_F(MappedFileTest, ReleasedPagesComeBackWithTheSameContent) {
  const auto file = MappedFile::open(write("a", std::string(200000, 'x')));
  EXPECT_EQ(file->bytes()[100000], std::byte{'x'});
  file->release_pages(file->bytes());
  EXPECT_EQ(text_of(*file), std::string(200000, 'x'));
}

using ReadFileTest = FileTest;

TEST_F(ReadFileTest, RefusesAFileAboveTheLimit) {
  const fs::path path = write("a", std::string(1000, 'x'));
  EXPECT_EQ(read_file(path, 1000).size(), 1000u);
  EXPECT_EQ(code_of([&] { read_file(path, 999); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { read_file(folder_ / "none"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { read_file(folder_); }), ErrorCode::kIo);
}

using AtomicFileTest = FileTest;

TEST_F(AtomicFileTest, AppearsUnderItsNameOnlyAfterCommit) {
  const fs::path path = folder_ / "final";
  AtomicFile file(path);
  file.write("two ");
  file.write("pieces");
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(file.temporary_path()));
  file.commit();
  EXPECT_EQ(read_file(path), "two pieces");
  EXPECT_EQ(file.size_bytes(), 10u);
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(AtomicFileTest, LeavesNothingBehindWithoutCommit) {
  {
    AtomicFile(folder_ / "final").write("half");
  }
  EXPECT_EQ(files_in_folder(), 0u);
}

TEST_F(AtomicFileTest, KeepsTheOldFileUntilCommit) {
  const fs::path path = write("final", "old");
  {
    AtomicFile(path).write("new");
  }
  EXPECT_EQ(read_file(path), "old");
  AtomicFile file(path);
  file.write("new");
  file.commit();
  EXPECT_EQ(read_file(path), "new");
}

TEST_F(AtomicFileTest, AFinishedFileHasTheModeOfAnyNewFile) {
  const mode_t mask = ::umask(022);
  AtomicFile file(folder_ / "final");
  file.commit();
  ::umask(mask);
  struct stat st{};
  ASSERT_EQ(::stat((folder_ / "final").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777u, 0644u);
}

TEST_F(AtomicFileTest, MakingAFileLeavesTheProcessMaskAlone) {
  const int before = g_mask_changes;
  AtomicFile(folder_ / "final").commit();
  EXPECT_EQ(g_mask_changes, before);
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(FileTest, APipeIsNoRegularFileAndKeepsNobodyWaiting) {
  const fs::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  for (const fs::path& irregular : {path, folder_}) {
    try {
      read_file(irregular);
      FAIL() << "was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kIo);
      EXPECT_NE(error.message().find("not a regular file"), std::string::npos) << error.what();
    }
  }
  // Where a user may name one, it is read to its end.
  std::thread writer([&] { std::ofstream(path) << "text"; });
  EXPECT_EQ(read_stream(path), "text");
  writer.join();
}

TEST_F(FileTest, SizesAreThoseOfFilesThatAreThere) {
  EXPECT_EQ(file_size_bytes(write("five", "12345")), 5u);
  EXPECT_EQ(file_size_bytes(folder_ / "none"), 0u);
  EXPECT_TRUE(is_there(folder_));
  EXPECT_FALSE(is_there(folder_ / "none"));
}

TEST_F(AtomicFileTest, AKeptFileGoesOnWhereItStopped) {
  const fs::path path = folder_ / "final";
  {
    AtomicFile file(path, AtomicFile::Unfinished::kKeep);
    EXPECT_EQ(file.size_bytes(), 0u);
    file.write("kept lost");
  }
  EXPECT_FALSE(fs::exists(path));
  AtomicFile file(path, AtomicFile::Unfinished::kKeep);
  EXPECT_EQ(file.size_bytes(), 9u);
  std::string read(4, ' ');
  file.read(0, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, "kept");
  EXPECT_EQ(code_of([&] { file.read(6, std::as_writable_bytes(std::span(read))); }), ErrorCode::kIo);
  file.truncate(5);
  file.write("on");
  file.commit();
  EXPECT_EQ(read_file(path), "kept on");
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(AtomicFileTest, AKeptFileHasOneWriterAtATime) {
  const AtomicFile file(folder_ / "final", AtomicFile::Unfinished::kKeep);
  EXPECT_EQ(code_of([&] { AtomicFile(folder_ / "final", AtomicFile::Unfinished::kKeep); }), ErrorCode::kBusy);
}

// A file size limit stands in for a full disk: write() comes back short, then fails.
TEST_F(AtomicFileTest, AWriteThatDoesNotFitFailsAndLeavesNothingBehind) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{65536, limit.rlim_max};
  const auto previous = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ErrorCode code = code_of([&] { AtomicFile(folder_ / "final").write(std::string(100000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, previous);
  EXPECT_EQ(code, ErrorCode::kIo);
  EXPECT_EQ(files_in_folder(), 0u);
}

TEST_F(AtomicFileTest, AMissingFolderIsAnErrorThatNamesThePath) {
  try {
    AtomicFile file(folder_ / "none" / "final");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), (folder_ / "none" / "final").string());
  }
}

TEST(MappedFile, DoesNotWaitForTheWriterOfAPipe) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("oag_fifo." + std::to_string(::getpid()))).string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  try {
    MappedFile::open(path);
    ADD_FAILURE() << "a pipe was mapped";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "is not a regular file");
  }
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace oag
