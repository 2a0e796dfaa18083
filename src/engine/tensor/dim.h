#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace oag {

// Concrete values of named symbols.
using DimBindings = std::map<std::string, int64_t, std::less<>>;

// One dimension of a shape: an integer or an expression over named symbols (sums, products, floor and ceiling
// division, min, max). Kept in a canonical form, so that equal expressions compare equal: n + n == 2 * n.
class Dim {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): 4 and "T" read the same in a shape
  Dim(int64_t value = 0) : constant_(value) {}
  static Dim symbol(std::string name);

  bool is_constant() const { return poly_ == nullptr; }
  int64_t constant() const { return constant_; }  // only when is_constant()

  // The value under `bindings`, or nothing when a symbol is unbound or a division is by zero.
  std::optional<int64_t> evaluate(const DimBindings& bindings) const;

  // The symbol's name when this is one bare symbol.
  std::optional<std::string> symbol_name() const;

  std::string to_string() const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend Dim floor_div(const Dim& a, const Dim& b);
  friend Dim ceil_div(const Dim& a, const Dim& b);
  friend Dim min(const Dim& a, const Dim& b);
  friend Dim max(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b);

 private:
  struct Poly;
  struct Atom;
  static Dim from_poly(Poly poly);
  static Dim from_atom(std::shared_ptr<const Atom> atom);
  Poly to_poly() const;

  int64_t constant_ = 0;
  std::shared_ptr<const Poly> poly_;
};

using Shape = std::vector<Dim>;
using Dims = std::vector<int64_t>;

// "[T, 576]"
std::string to_string(const Shape& shape);
std::string to_string(const Dims& dims);

// Product of all dims; 1 for a scalar. Errors: kInvalidArgument on overflow of int64 or a negative dim.
int64_t element_count(const Dims& dims);
Dim element_count(const Shape& shape);

// Concrete dims under `bindings`, or nothing when one cannot be evaluated.
std::optional<Dims> evaluate(const Shape& shape, const DimBindings& bindings);
Shape to_shape(const Dims& dims);

}  // namespace oag
