/* Owners and containers of the binding that need no newer C++ library than systems of Node 20 have. */
#ifndef RINGBUS_COUNTED_H
#define RINGBUS_COUNTED_H

#include <cstddef>
#include <new>
#include <utility>

namespace ringbus {

/*
 * A value that lives as long as the last copy of its owner, all of them on one thread. std::shared_ptr asks libc
 * whether there are other threads, by a symbol of glibc 2.32.
 */
template <typename Value>
class Counted {
 public:
  Counted() = default;
  Counted(const Counted &other) : cell_(other.cell_) {
    if (cell_ != nullptr) cell_->owners++;
  }
  Counted(Counted &&other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  Counted &operator=(Counted other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Counted() { Reset(); }

  static Counted New() {
    Counted owner;
    owner.cell_ = new Cell;
    return owner;
  }

  bool IsEmpty() const { return cell_ == nullptr; }
  Value *operator->() const { return &cell_->value; }
  Value &operator*() const { return cell_->value; }

  void Reset() {
    Cell *cell = std::exchange(cell_, nullptr);
    if (cell != nullptr && --cell->owners == 0) delete cell;
  }

 private:
  struct Cell {
    size_t owners = 1;
    Value value;
  };

  Cell *cell_ = nullptr;
};

/* For containers, which check sizes themselves; std::allocator does so once more, by a symbol of GCC 11. */
template <typename Value>
struct Allocator {
  using value_type = Value;

  Allocator() = default;
  template <typename Other>
  Allocator(const Allocator<Other> &) {}

  Value *allocate(size_t count) { return static_cast<Value *>(::operator new(count * sizeof(Value))); }
  void deallocate(Value *values, size_t) { ::operator delete(values); }

  bool operator==(const Allocator &) const { return true; }
  bool operator!=(const Allocator &) const { return false; }
};

}  // namespace ringbus

#endif
