#include "engine/device/kernel_table.h"

namespace oag {
namespace {

class FunctionKernel final : public Kernel {
 public:
  explicit FunctionKernel(KernelFunction function) : function_(function) {}
  void run(KernelContext& context) const override { function_(context); }

 private:
  KernelFunction function_;
};

class OwnedKernel final : public Kernel {
 public:
  explicit OwnedKernel(std::unique_ptr<CustomKernel> kernel) : kernel_(std::move(kernel)) {}
  void run(KernelContext& context) const override { kernel_->run(context); }

 private:
  std::unique_ptr<CustomKernel> kernel_;
};

}  // namespace

KernelTable::Choice KernelTable::choose(const KernelQuery& query) const {
  Choice choice;
  for (const KernelImpl* implementation : implementations_) {
    if (implementation->op != query.node.op || implementation->domain != query.node.domain) continue;
    Refusal refusal = implementation->accept(query);
    if (refusal.empty()) {
      choice.winner = implementation;
      return choice;
    }
    choice.refusals.emplace_back(implementation->name, std::move(refusal));
  }
  return choice;
}

std::unique_ptr<Kernel> function_kernel(KernelFunction function) {
  return std::make_unique<FunctionKernel>(function);
}

std::unique_ptr<Kernel> custom_kernel(std::unique_ptr<CustomKernel> kernel) {
  return std::make_unique<OwnedKernel>(std::move(kernel));
}

}  // namespace oag
