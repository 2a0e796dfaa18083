#include "engine/tensor/dim.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace oag {

namespace {

// Dims come from files: what does not fit is an error, not undefined behaviour.
int64_t checked_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum))
    fail(ErrorCode::kInvalidArgument, "shape", "{} + {} is no 64-bit dim", a, b);
  return sum;
}

int64_t checked_product(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    fail(ErrorCode::kInvalidArgument, "shape", "{} * {} is no 64-bit dim", a, b);
  }
  return product;
}

}  // namespace

enum class AtomKind { kSymbol, kFloorDiv, kCeilDiv, kMin, kMax };

// An indivisible factor: a symbol, or a function of two expressions. `key` is its text, which orders and
// compares it.
struct Dim::Atom {
  AtomKind kind;
  std::string key;
  Dim a, b;
};

// A sum of products: factors (sorted atoms) -> coefficient. The empty product is the constant term.
struct Dim::Poly {
  struct Term {
    std::vector<std::shared_ptr<const Atom>> factors;
    int64_t coefficient = 0;
  };
  std::map<std::string, Term> terms;

  void add(const Term& term) {
    std::string key;
    for (const auto& factor : term.factors) key += (key.empty() ? "" : "*") + factor->key;
    Term& slot = terms[key];
    slot.factors = term.factors;
    slot.coefficient = checked_sum(slot.coefficient, term.coefficient);
    if (slot.coefficient == 0) terms.erase(key);
  }
};

namespace {

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}
int64_t ceil_divide(int64_t a, int64_t b) {
  return -floor_divide(-a, b);
}

}  // namespace

Dim Dim::from_poly(Poly poly) {
  if (poly.terms.empty()) return Dim(0);
  if (poly.terms.size() == 1 && poly.terms.begin()->first.empty())
    return Dim(poly.terms.begin()->second.coefficient);
  Dim dim;
  dim.poly_ = std::make_shared<const Poly>(std::move(poly));
  return dim;
}

Dim Dim::from_atom(std::shared_ptr<const Atom> atom) {
  Poly poly;
  poly.add({{std::move(atom)}, 1});
  return from_poly(std::move(poly));
}

Dim::Poly Dim::to_poly() const {
  if (poly_) return *poly_;
  Poly poly;
  if (constant_ != 0) poly.add({{}, constant_});
  return poly;
}

Dim Dim::symbol(std::string name) {
  return from_atom(std::make_shared<const Atom>(Atom{AtomKind::kSymbol, std::move(name), 0, 0}));
}

std::optional<std::string> Dim::symbol_name() const {
  if (!poly_ || poly_->terms.size() != 1) return std::nullopt;
  const Poly::Term& term = poly_->terms.begin()->second;
  if (term.coefficient != 1 || term.factors.size() != 1 || term.factors[0]->kind != AtomKind::kSymbol) {
    return std::nullopt;
  }
  return term.factors[0]->key;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return checked_sum(a.constant_, b.constant_);
  Dim::Poly sum = a.to_poly();
  for (const auto& [key, term] : b.to_poly().terms) sum.add(term);
  return Dim::from_poly(std::move(sum));
}

Dim operator-(const Dim& a, const Dim& b) {
  return a + Dim(-1) * b;
}

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return checked_product(a.constant_, b.constant_);
  Dim::Poly product;
  const Dim::Poly left = a.to_poly();
  const Dim::Poly right = b.to_poly();
  for (const auto& [lkey, l] : left.terms) {
    for (const auto& [rkey, r] : right.terms) {
      Dim::Poly::Term term{l.factors, checked_product(l.coefficient, r.coefficient)};
      term.factors.insert(term.factors.end(), r.factors.begin(), r.factors.end());
      std::sort(term.factors.begin(), term.factors.end(),
                [](const auto& x, const auto& y) { return x->key < y->key; });
      product.add(term);
    }
  }
  return Dim::from_poly(std::move(product));
}

Dim floor_div(const Dim& a, const Dim& b) {
  if (b.is_constant() && b.constant_ == 1) return a;
  if (a.is_constant() && b.is_constant() && b.constant_ != 0) return floor_divide(a.constant_, b.constant_);
  if (a == b) return 1;
  if (b.is_constant() && b.constant_ != 0 && a.poly_) {  // (6*T)/3 is exact term by term
    Dim::Poly quotient;
    bool exact = true;
    for (const auto& [key, term] : a.poly_->terms) {
      exact = exact && term.coefficient % b.constant_ == 0;
      quotient.add({term.factors, term.coefficient / b.constant_});
    }
    if (exact) return Dim::from_poly(std::move(quotient));
  }
  std::string key = fmt::format("floor({}/{})", a.to_string(), b.to_string());
  return Dim::from_atom(
      std::make_shared<const Dim::Atom>(Dim::Atom{AtomKind::kFloorDiv, std::move(key), a, b}));
}

Dim ceil_div(const Dim& a, const Dim& b) {
  const Dim floor = floor_div(a, b);
  if (a.is_constant() && b.is_constant() && b.constant_ != 0) return ceil_divide(a.constant_, b.constant_);
  if (floor * b == a) return floor;
  std::string key = fmt::format("ceil({}/{})", a.to_string(), b.to_string());
  return Dim::from_atom(
      std::make_shared<const Dim::Atom>(Dim::Atom{AtomKind::kCeilDiv, std::move(key), a, b}));
}

Dim min(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::min(a.constant_, b.constant_);
  std::string first = a.to_string(), second = b.to_string();
  if (second < first) std::swap(first, second);
  return Dim::from_atom(std::make_shared<const Dim::Atom>(
      Dim::Atom{AtomKind::kMin, fmt::format("min({}, {})", first, second), a, b}));
}

Dim max(const Dim& a, const Dim& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::max(a.constant_, b.constant_);
  std::string first = a.to_string(), second = b.to_string();
  if (second < first) std::swap(first, second);
  return Dim::from_atom(std::make_shared<const Dim::Atom>(
      Dim::Atom{AtomKind::kMax, fmt::format("max({}, {})", first, second), a, b}));
}

bool operator==(const Dim& a, const Dim& b) {
  if (a.is_constant() || b.is_constant()) {
    return a.is_constant() && b.is_constant() && a.constant_ == b.constant_;
  }
  if (a.poly_ == b.poly_) return true;
  return std::equal(a.poly_->terms.begin(), a.poly_->terms.end(), b.poly_->terms.begin(),
                    b.poly_->terms.end(), [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second.coefficient == y.second.coefficient;
                    });
}

std::optional<int64_t> Dim::evaluate(const DimBindings& bindings) const {
  if (!poly_) return constant_;
  int64_t sum = 0;
  for (const auto& [key, term] : poly_->terms) {
    int64_t product = term.coefficient;
    for (const auto& atom : term.factors) {
      if (atom->kind == AtomKind::kSymbol) {
        const auto bound = bindings.find(atom->key);
        if (bound == bindings.end()) return std::nullopt;
        product = checked_product(product, bound->second);
        continue;
      }
      const auto a = atom->a.evaluate(bindings);
      const auto b = atom->b.evaluate(bindings);
      if (!a || !b) return std::nullopt;
      const bool divides = atom->kind == AtomKind::kFloorDiv || atom->kind == AtomKind::kCeilDiv;
      if (divides && *b == 0) return std::nullopt;
      switch (atom->kind) {
        case AtomKind::kFloorDiv: product = checked_product(product, floor_divide(*a, *b)); break;
        case AtomKind::kCeilDiv: product = checked_product(product, ceil_divide(*a, *b)); break;
        case AtomKind::kMin: product = checked_product(product, std::min(*a, *b)); break;
        default: product = checked_product(product, std::max(*a, *b)); break;
      }
    }
    sum = checked_sum(sum, product);
  }
  return sum;
}

std::string Dim::to_string() const {
  if (!poly_) return std::to_string(constant_);
  std::string text;
  for (const auto& [key, term] : poly_->terms) {
    if (!text.empty()) text += " + ";
    if (key.empty()) {
      text += std::to_string(term.coefficient);
    } else {
      text += term.coefficient == 1 ? key : fmt::format("{}*{}", term.coefficient, key);
    }
  }
  return poly_->terms.size() > 1 ? "(" + text + ")" : text;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const Dim& dim : shape) text += (text.size() > 1 ? ", " : "") + dim.to_string();
  return text + "]";
}

std::string to_string(const Dims& dims) {
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

int64_t element_count(const Dims& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) {
      fail(ErrorCode::kInvalidArgument, "shape", "{} has a negative dim or more than 2^63 elements",
           to_string(dims));
    }
  }
  return count;
}

Dim element_count(const Shape& shape) {
  Dim count = 1;
  for (const Dim& dim : shape) count = count * dim;
  return count;
}

std::optional<Dims> evaluate(const Shape& shape, const DimBindings& bindings) {
  Dims dims;
  dims.reserve(shape.size());
  for (const Dim& dim : shape) {
    const auto value = dim.evaluate(bindings);
    if (!value) return std::nullopt;
    dims.push_back(*value);
  }
  return dims;
}

Shape to_shape(const Dims& dims) {
  return Shape(dims.begin(), dims.end());
}

}  // namespace oag
