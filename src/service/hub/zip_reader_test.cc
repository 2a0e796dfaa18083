#include "service/hub/zip_reader.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "service/hub/unzip.h"
#include "service/net/sha256.h"
#include "service/net/testing.h"

namespace oag {
namespace {

const std::filesystem::path kCases = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/zip";

std::string load(const std::string& name) {
  return testing::read_text(kCases / name);
}

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string extract(const std::string& archive, const std::string& name) {
  const ZipReader reader(bytes(archive), "case");
  std::string out;
  reader.extract(reader.find(name), [&](std::span<const std::byte> piece) {
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return out;
}

// What happens to a member of a damaged archive: "" when it comes out whole, else the error.
std::string outcome(const std::string& archive, const std::string& name = "pkg/model.gguf") {
  try {
    extract(archive, name);
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

// Writes a little-endian number at `offset` after the `nth` occurrence of a record's signature.
std::string patched(std::string archive, const std::string& signature, size_t offset, uint64_t value,
                    size_t width, int nth = 0) {
  size_t at = archive.find(signature);
  for (int i = 0; i < nth; ++i) at = archive.find(signature, at + 1);
  EXPECT_NE(at, std::string::npos);
  for (size_t i = 0; i < width; ++i) archive[at + offset + i] = static_cast<char>(value >> (8 * i));
  return archive;
}

const std::string kLocal = "PK\x03\x04";
const std::string kCentral = "PK\x01\x02";
const std::string kEnd = "PK\x05\x06";
const std::string kEnd64 = "PK\x06\x06";
const std::string kLocator64 = "PK\x06\x07";

// Archives and digests come from Python's zipfile and hashlib: tools/goldens/make_zip_cases.py.
TEST(ZipReader, UnpacksWhatPythonPacked) {
  const Json cases = parse_json(load("cases.json"), "cases.json");
  ASSERT_EQ(cases.size(), 5u);
  for (const auto& [archive, members] : cases.items()) {
    const std::string data = load(archive);
    EXPECT_EQ(ZipReader(bytes(data), archive).members().size(), members.size());
    for (const auto& [name, expected] : members.items()) {
      const std::string content = extract(data, name);
      EXPECT_EQ(content.size(), expected["bytes"].get<size_t>()) << archive << " " << name;
      EXPECT_EQ(sha256_hex(content), expected["sha256"].get<std::string>()) << archive << " " << name;
    }
  }
}

TEST(ZipReader, RefusesEveryTruncation) {
  for (const char* name : {"deflated.zip", "zip64.zip"}) {
    const std::string whole = load(name);
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(ZipReader(bytes(whole.substr(0, size)), name), Error) << size;
    }
  }
}

TEST(ZipReader, NoFlippedBitGivesWrongContent) {
  for (const char* name : {"deflated.zip", "stored.zip", "zip64.zip", "streamed.zip"}) {
    const std::string whole = load(name);
    const std::string right = extract(whole, "pkg/text.txt");
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      try {
        EXPECT_EQ(extract(damaged, "pkg/text.txt"), right) << name << " byte " << i;
      } catch (const Error& error) {
        EXPECT_STRNE(error.what(), "") << name << " byte " << i;
      }
    }
  }
}

TEST(ZipReader, RefusesSizesThatLie) {
  const std::string whole = load("deflated.zip");
  const std::string streamed = load("streamed.zip");  // its local headers carry no sizes
  const uint64_t size = ZipReader(bytes(whole), "case").find("pkg/model.gguf").size_bytes;
  EXPECT_NE(outcome(patched(whole, kCentral, 24, size - 1, 4)).find("contradict"), std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 24, size - 1, 4)).find("more than the"), std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 24, size + 1, 4)).find("ends after"), std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 24, 0xfffffff0, 4)).find("more than deflate can give"),
            std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 20, 3000, 4)).find("damaged"), std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 20, 0x7fffffff, 4)).find("overlaps the directory"),
            std::string::npos);
  EXPECT_NE(outcome(patched(streamed, kCentral, 16, 1, 4)).find("CRC-32"), std::string::npos);
  const std::string stored = load("stored.zip");
  EXPECT_NE(outcome(patched(patched(stored, kCentral, 24, 5, 4), kLocal, 22, 5, 4)).find("stored member"),
            std::string::npos);
}

TEST(ZipReader, RefusesOffsetsOutsideTheArchive) {
  const std::string whole = load("deflated.zip");
  EXPECT_NE(outcome(patched(whole, kCentral, 42, 0x7fffffff, 4)).find("outside the archive"),
            std::string::npos);
  EXPECT_NE(outcome(patched(whole, kCentral, 42, 1, 4)).find("holds no header"), std::string::npos);
  EXPECT_NE(outcome(patched(whole, kEnd, 16, 0x7fffffff, 4)).find("overlaps"), std::string::npos);
  EXPECT_NE(outcome(patched(whole, kEnd, 12, 0x7fffffff, 4)).find("overlaps"), std::string::npos);
  EXPECT_NE(outcome(patched(patched(whole, kEnd, 8, 60000, 2), kEnd, 10, 60000, 2)).find("cannot hold"),
            std::string::npos);
  EXPECT_NE(outcome(patched(whole, kCentral, 28, 60000, 2)).find("reaches past"), std::string::npos);
  const std::string big = load("zip64.zip");
  const uint64_t huge = uint64_t{1} << 63;
  EXPECT_NE(outcome(patched(big, kLocator64, 8, huge, 8)).find("outside the archive"), std::string::npos);
  EXPECT_NE(outcome(patched(big, kEnd64, 48, huge, 8)).find("overlaps"), std::string::npos);
  EXPECT_NE(outcome(patched(big, kEnd64, 40, ~uint64_t{0}, 8)).find("overlaps"), std::string::npos);
  EXPECT_NE(outcome(patched(patched(big, kEnd64, 24, huge, 8), kEnd64, 32, huge, 8)).find("cannot hold"),
            std::string::npos);
}

TEST(ZipReader, RefusesWhatItCannotRead) {
  const std::string whole = load("deflated.zip");
  EXPECT_NE(outcome(patched(whole, kCentral, 8, 1, 2)).find("encrypted"), std::string::npos);
  EXPECT_NE(
      outcome(patched(patched(whole, kCentral, 10, 14, 2), kLocal, 8, 14, 2)).find("compression method 14"),
      std::string::npos);
  EXPECT_NE(outcome(patched(whole, kEnd, 4, 1, 2)).find("several disks"), std::string::npos);
  EXPECT_NE(outcome(whole, "pkg/absent").find("no member"), std::string::npos);
  EXPECT_NE(outcome("").find("no zip archive"), std::string::npos);
  EXPECT_NE(outcome(std::string(100'000, 'x')).find("no zip archive"), std::string::npos);
}

TEST(ZipReader, RefusesAMemberThatIsThereTwice) {
  const std::string archive = load("twice.zip");
  EXPECT_NE(outcome(archive, "pkg/twice").find("two members"), std::string::npos);
  EXPECT_EQ(outcome(archive, "pkg/once"), "");
}

TEST(Unzip, LeavesNothingBehindWhenTheChecksumIsWrong) {
  const testing::TemporaryFolder folder;
  UnzipRequest request;
  request.archive = kCases / "deflated.zip";
  request.member = "pkg/text.txt";
  request.destination = folder / "out";
  request.sha256 = sha256_hex("something else");
  EXPECT_THROW(unzip(request), Error);
  request.sha256.clear();
  request.max_bytes = 10;
  EXPECT_THROW(unzip(request), Error);
  std::atomic<bool> cancel{true};
  request.max_bytes = 1 << 20;
  request.cancel = &cancel;
  EXPECT_THROW(unzip(request), Error);
  EXPECT_EQ(folder.entry_count(), 0u);
  cancel = false;
  unzip(request);
  EXPECT_EQ(testing::read_text(folder / "out"), extract(load("deflated.zip"), "pkg/text.txt"));
}

}  // namespace
}  // namespace oag
