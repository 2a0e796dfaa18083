// The files' formats are those of proc(5) and of Linux's documentation of control groups.
#include "base/free_memory.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <fstream>
#include <string>

#include "base/promised_memory.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

// A root folder of its own, on a machine with 1000 kB available.
class FreeMemoryTest : public testing::Test {
 protected:
  FreeMemoryTest() {
    std::string pattern = testing::TempDir() + "oag_free_memory_test.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    write("proc/meminfo", "MemTotal:        8000 kB\nMemFree:          500 kB\nMemAvailable:    1000 kB\n");
  }
  ~FreeMemoryTest() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void write_group(const fs::path& folder, const std::string& limit, const std::string& used,
                   const std::string& stat = "") const {
    write(folder / "memory.max", limit + "\n");
    write(folder / "memory.current", used + "\n");
    write(folder / "memory.stat", stat);
  }
  std::optional<uint64_t> free_bytes() const { return free_memory_bytes(root_); }

  fs::path root_;
};

constexpr uint64_t kAvailable = 1000 * 1024;

TEST_F(FreeMemoryTest, IsWhatTheSystemHasAvailable) {
  EXPECT_EQ(free_bytes(), kAvailable);
}

TEST_F(FreeMemoryTest, IsLessWhatWasPromisedAndNotYetTaken) {
  constexpr size_t kPromised = 400 * 1024;
  void* pages = ::mmap(nullptr, kPromised, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  {
    const PromisedMemory promised(pages, kPromised);
    EXPECT_EQ(free_bytes(), kAvailable - kPromised);
  }
  EXPECT_EQ(free_bytes(), kAvailable);
  ::munmap(pages, kPromised);
}

TEST_F(FreeMemoryTest, IsNoMoreThanTheGroupLeaves) {
  write("proc/self/cgroup", "0::/jobs/one\n");
  write_group("sys/fs/cgroup/jobs/one", "500000", "200000");
  EXPECT_EQ(free_bytes(), 300000u);
  write_group("sys/fs/cgroup/jobs/one", "500000", "600000");
  EXPECT_EQ(free_bytes(), 0u);
  write_group("sys/fs/cgroup/jobs/one", "9000000", "200000");
  EXPECT_EQ(free_bytes(), kAvailable);
  write_group("sys/fs/cgroup/jobs/one", "max", "200000");
  EXPECT_EQ(free_bytes(), kAvailable);
}

TEST_F(FreeMemoryTest, FilePagesOfTheGroupCountAsFree) {
  write("proc/self/cgroup", "0::/one\n");
  write_group("sys/fs/cgroup/one", "500000", "450000",
              "anon 50000\nfile 400000\ninactive_file 300000\nactive_file 50000\n");
  EXPECT_EQ(free_bytes(), 400000u);
}

TEST_F(FreeMemoryTest, TheTightestOfNestedGroupsCounts) {
  write("proc/self/cgroup", "0::/outer/inner\n");
  write_group("sys/fs/cgroup/outer/inner", "max", "1000");
  write_group("sys/fs/cgroup/outer", "300000", "100000");
  EXPECT_EQ(free_bytes(), 200000u);
}

// A container sees its own group as the root of the tree, while the path may be the host's.
TEST_F(FreeMemoryTest, AGroupThatIsTheRootOfTheTreeCounts) {
  write_group("sys/fs/cgroup", "300000", "100000");
  for (const char* path : {"0::/\n", "0::/docker/0123abcd\n", "0::/../outside\n"}) {
    write("proc/self/cgroup", path);
    EXPECT_EQ(free_bytes(), 200000u) << path;
  }
}

TEST_F(FreeMemoryTest, ReadsGroupsOfVersion1) {
  write("proc/self/cgroup", "12:cpu,cpuacct:/one\n4:memory:/one\n1:name=systemd:/one\n");
  write("sys/fs/cgroup/memory/one/memory.limit_in_bytes", "500000\n");
  write("sys/fs/cgroup/memory/one/memory.usage_in_bytes", "450000\n");
  write("sys/fs/cgroup/memory/one/memory.stat",
        "cache 9\ntotal_inactive_file 100000\ntotal_active_file 50000\n");
  EXPECT_EQ(free_bytes(), 200000u);
  write("sys/fs/cgroup/memory/one/memory.limit_in_bytes", "9223372036854771712\n");  // what no limit reads as
  EXPECT_EQ(free_bytes(), kAvailable);
}

TEST_F(FreeMemoryTest, FilesThatCannotBeReadSayNothing) {
  write("proc/self/cgroup", "\n0:\n:::\n0::/one\n4:memory\n");
  write_group("sys/fs/cgroup/one", "", "100");
  EXPECT_EQ(free_bytes(), kAvailable);
  fs::remove(root_ / "proc/meminfo");
  EXPECT_EQ(free_bytes(), std::nullopt);
}

TEST(FreeMemory, OfThisMachineIsKnown) {
  EXPECT_GT(free_memory_bytes(), uint64_t{1} << 20);
}

}  // namespace
}  // namespace oag
