#include "engine/session/executor.h"

#include <algorithm>

#include "base/error.h"
#include "engine/ops/verify.h"
#include "engine/session/step_observer.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr size_t kPlansKept = 64;
constexpr size_t kIdleBuffersKept = 4;
constexpr uint32_t kNowhere = ~uint32_t{0};

RunState stop_reason(const RunControl& control) {
  return control.cancelled() ? RunState::kCancelled : RunState::kDeadlineExceeded;
}

const Alias* alias_of(const OpSchema& schema, size_t output) {
  for (const Alias& alias : schema.aliases) {
    if (static_cast<size_t>(alias.output) == output) return &alias;
  }
  return nullptr;
}

// The memory that the caller gives for output `o`, if any.
const Tensor* given_output(const RunBindings& bindings, size_t o) {
  return o < bindings.outputs.size() && bindings.outputs[o].defined() ? &bindings.outputs[o] : nullptr;
}

// Whether `tensor` is a value of the type, dims left aside.
bool is_of(const ValueType& type, const Tensor& tensor) {
  if (!tensor.defined() || (tensor.dtype() != type.dtype && type.dtype != DType::kUndefined)) return false;
  if (type.kind == TypeKind::kMap)
    return elements_of(tensor).size() == 2 && elements_of(tensor)[0].dtype() == type.key;
  if (is_container(tensor.dtype()) && type.element != nullptr) {
    return std::ranges::all_of(elements_of(tensor),
                               [&](const Tensor& element) { return is_of(*type.element, element); });
  }
  return !type.shape || tensor.rank() == type.shape->size();
}

void check_given(const Value& output, const Tensor& given, const Dims& dims) {
  if (given.dtype() == output.type.dtype && given.dims() == dims) return;
  fail(ErrorCode::kInvalidArgument, "output " + output.name, "got memory for {} {}, expected {} {}",
       dtype_name(given.dtype()), to_string(given.dims()), dtype_name(output.type.dtype), to_string(dims));
}

bool overlap(const Tensor& a, const Tensor& b) {
  return a.size_bytes() > 0 && b.size_bytes() > 0 && a.data() < b.data() + b.size_bytes() &&
         b.data() < a.data() + a.size_bytes();
}

void check_apart(const Graph& graph, const RunBindings& bindings) {
  for (size_t a = 0; a < bindings.outputs.size(); ++a) {
    for (size_t b = a + 1; b < bindings.outputs.size(); ++b) {
      if (!overlap(bindings.outputs[a], bindings.outputs[b])) continue;
      fail(ErrorCode::kInvalidArgument, "output " + graph.value(graph.outputs[b]).name,
           "its memory overlaps that of output {}; give each its own", graph.value(graph.outputs[a]).name);
    }
  }
}

}  // namespace

// The bodies of one step, in a run of the graph around them.
class Executor::Bodies final : public BodyRunner {
 public:
  Bodies(const BodyExecutors& executors, const RunControl& control)
      : executors_(executors), control_(control) {}

  bool run(std::string_view attribute, std::span<const Tensor> inputs,
           std::vector<Tensor>& outputs) override {
    return executors_.find(attribute)->second->run({{inputs.begin(), inputs.end()}, {}}, control_, outputs) ==
           RunState::kDone;
  }

 private:
  const BodyExecutors& executors_;
  const RunControl& control_;
};

struct Executor::LateOutput {
  struct From {
    size_t input, dim;
    int64_t constant;  // or -1, and the input's dim
  };
  std::vector<From> dims;  // where `simple`, else the shape is evaluated
  bool known = false;      // by the rule of shapes, of the inputs' dims
  bool simple = false;
  bool kept = false;  // memory of one run serves the next: nobody else holds it then
};

// Everything one run writes: the arena and, per step, its inputs and outputs as tensors over it.
struct Executor::Buffers {
  std::vector<Dims> input_dims;  // of the graph's inputs; all below is made for them
  std::shared_ptr<const MemoryPlan> plan;
  std::shared_ptr<Buffer> arena;
  std::vector<Tensor> values;
  std::vector<std::vector<Tensor>> inputs, outputs;
  std::vector<bool> fixed;   // values bound once per plan: constants, arena values and views of them
  std::vector<size_t> work;  // steps that have something to do: not views of fixed values
  std::vector<bool> late;    // steps with an output that the plan could not place
  std::vector<std::vector<Tensor>> kept;  // per step: outputs that the plan could not place, of earlier runs
};

// A run's set of buffers, returned at its end.
class Executor::Lease {
 public:
  Lease(Executor& executor, std::unique_ptr<Buffers> buffers)
      : executor_(executor), buffers_(std::move(buffers)) {}
  ~Lease() { executor_.return_buffers(std::move(buffers_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Buffers& operator*() const { return *buffers_; }
  Buffers* operator->() const { return buffers_.get(); }

 private:
  Executor& executor_;
  std::unique_ptr<Buffers> buffers_;
};

Executor::Executor(std::shared_ptr<const Program> program) : program_(std::move(program)) {
  idle_.reserve(kIdleBuffersKept);
  uses_.resize(program_->graph.value_count());
  makers_.assign(program_->graph.value_count(), {kNowhere, 0});
  bodies_.resize(program_->steps.size());
  for (size_t s = 0; s < program_->steps.size(); ++s) {
    const Node& node = *program_->steps[s].node;
    for (const auto& [attribute, body] : program_->steps[s].bodies)
      bodies_[s].emplace(attribute, std::make_unique<Executor>(body));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != kNoValue) uses_[static_cast<size_t>(node.inputs[i])].emplace_back(s, i);
    }
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] != kNoValue) makers_[static_cast<size_t>(node.outputs[o])] = {s, o};
    }
  }
  returned_.assign(program_->graph.value_count(), false);
  for (const ValueId output : program_->graph.outputs) returned_[static_cast<size_t>(output)] = true;
  find_next_reads();
  find_late_outputs();
}

Executor::~Executor() = default;

// After the last step comes, most likely, the first one of the next run.
void Executor::find_next_reads() {
  next_reads_.resize(program_->steps.size());
  std::span<const std::byte> next;
  for (int round = 0; round < 2; ++round) {
    for (size_t s = program_->steps.size(); s-- > 0;) {
      if (program_->steps[s].packed.empty()) continue;
      next_reads_[s] = next;
      next = program_->steps[s].packed;
    }
  }
}

// For outputs whose dims may depend on data: which dims of the step's inputs make them.
void Executor::find_late_outputs() {
  const Graph& graph = program_->graph;
  bool containers = false;
  for (size_t v = 0; v < graph.value_count(); ++v)
    containers = containers || is_container(graph.value(static_cast<ValueId>(v)).type.dtype);
  std::vector<bool> leaves(graph.value_count(), false);
  for (const ValueId output : graph.outputs)
    leaves[static_cast<size_t>(program_->roots[static_cast<size_t>(output)])] = true;
  late_.resize(program_->steps.size());
  for (size_t s = 0; s < program_->steps.size(); ++s) {
    const Node& node = *program_->steps[s].node;
    late_[s].resize(node.outputs.size());
    std::map<std::string, LateOutput::From> symbols;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const auto& shape = graph.value(node.inputs[i]).type.shape;
      for (size_t d = 0; shape && d < shape->size(); ++d) {
        if (const auto symbol = (*shape)[d].symbol_name())
          symbols.try_emplace(*symbol, LateOutput::From{i, d, -1});
      }
    }
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] == kNoValue) continue;
      LateOutput& late = late_[s][o];
      const ValueType& type = graph.value(node.outputs[o]).type;
      late.known = type.shape && alias_of(*program_->steps[s].schema, o) == nullptr;
      if (!late.known) continue;
      late.kept = !containers && !is_object(type.dtype) && !leaves[static_cast<size_t>(node.outputs[o])];
      late.simple = std::ranges::all_of(*type.shape, [&](const Dim& dim) {
        const auto symbol = dim.symbol_name();
        const auto found = symbol ? symbols.find(*symbol) : symbols.end();
        if (!dim.is_constant() && found == symbols.end()) return false;
        late.dims.push_back(dim.is_constant() ? LateOutput::From{0, 0, dim.constant()} : found->second);
        return true;
      });
    }
  }
}

DimBindings Executor::bind_dims(const RunBindings& bindings) const {
  const Graph& graph = program_->graph;
  if (bindings.inputs.size() != graph.inputs.size()) {
    fail(ErrorCode::kInvalidArgument, "run", "got {} inputs, the graph {} takes {}", bindings.inputs.size(),
         graph.name, graph.inputs.size());
  }
  DimBindings dims;
  const auto each_dim = [&](auto&& check) {
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      const Value& value = graph.value(graph.inputs[i]);
      const Tensor& tensor = bindings.inputs[i];
      if (!is_of(value.type, tensor)) {
        fail(ErrorCode::kInvalidArgument, "input " + value.name, "got {} {}, expected {}",
             dtype_name(tensor.dtype()), to_string(tensor.dims()), to_string(value.type));
      }
      for (size_t d = 0; value.type.shape && d < tensor.rank(); ++d)
        check(value, (*value.type.shape)[d], tensor, d);
    }
  };
  each_dim([&](const Value&, const Dim& formal, const Tensor& tensor, size_t d) {
    if (const auto symbol = formal.symbol_name()) dims.try_emplace(*symbol, tensor.dim(d));
  });
  each_dim([&](const Value& value, const Dim& formal, const Tensor& tensor, size_t d) {
    const auto expected = formal.evaluate(dims);
    if (expected && *expected != tensor.dim(d)) {
      const std::string meaning =
          formal.is_constant() ? "" : fmt::format(" with {} = {}", formal.to_string(), *expected);
      fail(ErrorCode::kInvalidArgument, "input " + value.name, "got {}, expected {}{}",
           to_string(tensor.dims()), to_string(*value.type.shape), meaning);
    }
  });
  return dims;
}

std::shared_ptr<const MemoryPlan> Executor::plan_for(const DimBindings& bindings) {
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& entry) { return entry.first == bindings; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
  } else {
    plans_.emplace_front(bindings, std::make_shared<const MemoryPlan>(plan_memory(*program_, bindings)));
    if (plans_.size() > kPlansKept) plans_.pop_back();
  }
  return plans_.front().second;
}

// Whether these buffers were made for inputs like the run's, which are then right too.
bool Executor::fits(const Buffers& buffers, const RunBindings& bindings) const {
  const Graph& graph = program_->graph;
  if (buffers.input_dims.size() != bindings.inputs.size()) return false;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const Tensor& input = bindings.inputs[i];
    if (input.dtype() != graph.value(graph.inputs[i]).type.dtype || input.dims() != buffers.input_dims[i])
      return false;
  }
  return true;
}

// Buffers that nobody uses: those that fit, or any, or none.
std::unique_ptr<Executor::Buffers> Executor::take_idle(const RunBindings& bindings) {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) { return fits(*idle, bindings); });
  if (found == idle_.end()) --found;
  std::unique_ptr<Buffers> taken = std::move(*found);
  idle_.erase(found);
  return taken;
}

std::unique_ptr<Executor::Buffers> Executor::take_buffers(const RunBindings& bindings) {
  std::unique_ptr<Buffers> buffers = take_idle(bindings);
  if (buffers && fits(*buffers, bindings)) return buffers;
  const auto plan = plan_for(bind_dims(bindings));
  if (!buffers) buffers = std::make_unique<Buffers>();
  buffers->input_dims.clear();
  if (!buffers->arena || buffers->arena->size_bytes() < plan->arena_bytes) {
    buffers->arena.reset();
    buffers->arena = program_->devices.front()->allocate(plan->arena_bytes);
  }
  buffers->plan = plan;
  bind_values(*buffers);
  bind_steps(*buffers);
  for (const Tensor& input : bindings.inputs) buffers->input_dims.push_back(input.dims());
  return buffers;
}

// Constants, and what the plan has a place for.
void Executor::bind_values(Buffers& buffers) const {
  const Graph& graph = program_->graph;
  buffers.values.assign(graph.value_count(), {});
  buffers.fixed.assign(graph.value_count(), false);
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const Value& value = graph.value(static_cast<ValueId>(v));
    if (value.constant) {
      buffers.values[v] = *value.constant;
    } else if (buffers.plan->offsets[v] >= 0) {
      buffers.values[v] = Tensor(value.type.dtype, *buffers.plan->dims[v], buffers.arena,
                                 static_cast<size_t>(buffers.plan->offsets[v]));
    }
    buffers.fixed[v] = buffers.values[v].defined();
  }
}

// Views of bound values, then the inputs and outputs of each step.
void Executor::bind_steps(Buffers& buffers) const {
  const size_t count = program_->steps.size();
  buffers.inputs.resize(count);
  buffers.outputs.resize(count);
  buffers.work.clear();
  buffers.late.assign(count, false);
  buffers.kept.resize(count);
  for (size_t s = 0; s < count; ++s) {
    const Step& step = program_->steps[s];
    const Node& node = *step.node;
    buffers.inputs[s].assign(node.inputs.size(), {});
    buffers.outputs[s].assign(node.outputs.size(), {});
    buffers.kept[s].resize(node.outputs.size());
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != kNoValue)
        buffers.inputs[s][i] = buffers.values[static_cast<size_t>(node.inputs[i])];
    }
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o] == kNoValue) continue;
      const auto v = static_cast<size_t>(node.outputs[o]);
      const Alias* alias = alias_of(*step.schema, o);
      if (!buffers.plan->dims[v]) buffers.late[s] = true;
      if (alias != nullptr && alias->kind == Alias::kView && buffers.plan->dims[v]) {
        const auto source = static_cast<size_t>(node.inputs[static_cast<size_t>(alias->input)]);
        if (buffers.fixed[source]) {
          buffers.values[v] = buffers.values[source].reshaped(*buffers.plan->dims[v]);
          buffers.fixed[v] = true;
        }
      }
      buffers.outputs[s][o] = buffers.values[v];
    }
    if (!is_view(buffers, s) || !buffers.fixed[static_cast<size_t>(node.outputs[0])])
      buffers.work.push_back(s);
  }
}

// Whether the step only shows an input under other dims, which are known.
bool Executor::is_view(const Buffers& buffers, size_t s) const {
  const Step& step = program_->steps[s];
  const Alias* first = alias_of(*step.schema, 0);
  return first != nullptr && first->kind == Alias::kView &&
         buffers.plan->dims[static_cast<size_t>(step.node->outputs[0])];
}

// The dims of an output that the plan could not place: by now those of the inputs are known.
std::optional<Dims> Executor::late_dims(const Buffers& buffers, size_t s, size_t o) const {
  const Graph& graph = program_->graph;
  const Node& node = *program_->steps[s].node;
  const LateOutput& late = late_[s][o];
  const std::vector<Tensor>& inputs = buffers.inputs[s];
  Dims dims;
  for (size_t d = 0; late.simple && d < late.dims.size(); ++d) {
    const LateOutput::From& from = late.dims[d];
    if (from.constant < 0 && inputs[from.input].rank() <= from.dim) return std::nullopt;
    dims.push_back(from.constant >= 0 ? from.constant : inputs[from.input].dim(from.dim));
  }
  if (late.simple) return dims;
  DimBindings bindings;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue || !inputs[i].defined()) continue;
    const auto& formal = graph.value(node.inputs[i]).type.shape;
    for (size_t d = 0; formal && d < std::min(inputs[i].rank(), formal->size()); ++d) {
      if (const auto symbol = (*formal)[d].symbol_name()) bindings.try_emplace(*symbol, inputs[i].dim(d));
    }
  }
  return evaluate(*graph.value(node.outputs[o]).type.shape, bindings);
}

void Executor::allocate_late_outputs(Buffers& buffers, size_t s) const {
  const Node& node = *program_->steps[s].node;
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] == kNoValue || buffers.plan->dims[static_cast<size_t>(node.outputs[o])]) continue;
    // What stands here is the previous run's, and may belong to its caller by now.
    buffers.outputs[s][o] = {};
    if (!late_[s][o].known) continue;
    auto dims = late_dims(buffers, s, o);
    if (!dims) continue;
    Tensor& kept = buffers.kept[s][o];
    const bool fits =
        late_[s][o].kept && kept.defined() && kept.buffer().use_count() == 1 && kept.dims() == *dims;
    if (!fits) kept = Tensor::host(program_->graph.value(node.outputs[o]).type.dtype, std::move(*dims));
    buffers.outputs[s][o] = kept;
    if (!late_[s][o].kept) kept = {};
  }
}

void Executor::set_value(Buffers& buffers, ValueId id, const Tensor& tensor) const {
  const auto v = static_cast<size_t>(id);
  for (const auto& [step, position] : uses_[v]) buffers.inputs[step][position] = tensor;
  if (returned_[v]) buffers.values[v] = tensor;
}

void Executor::run_step(Buffers& buffers, size_t s, Stream& stream, const RunControl& control,
                        StepObserver* observer) const {
  const Step& step = program_->steps[s];
  const Node& node = *step.node;
  if (is_view(buffers, s)) {
    const auto input = static_cast<size_t>(alias_of(*step.schema, 0)->input);
    const Dims& dims = *buffers.plan->dims[static_cast<size_t>(node.outputs[0])];
    set_value(buffers, node.outputs[0], buffers.inputs[s][input].reshaped(dims));
    return;
  }
  if (buffers.late[s]) allocate_late_outputs(buffers, s);
  Bodies bodies(bodies_[s], control);
  KernelContext context(node, buffers.inputs[s], buffers.outputs[s], stream.env(), &bodies);
  if (!next_reads_[s].empty()) stream.expect_reads(next_reads_[s]);
  const TimePoint begin = observer != nullptr ? Clock::now() : TimePoint();
  stream.submit(*step.kernel, context);
  if (observer != nullptr) observer->on_step(s, context, begin, Clock::now());
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] == kNoValue || buffers.fixed[static_cast<size_t>(node.outputs[o])]) continue;
    const Alias* alias = alias_of(*step.schema, o);
    const bool updates = alias != nullptr && alias->kind == Alias::kUpdate;
    set_value(buffers, node.outputs[o],
              updates ? buffers.inputs[s][static_cast<size_t>(alias->input)] : buffers.outputs[s][o]);
  }
}

RunState Executor::run_steps(Buffers& buffers, const RunControl& control, StepObserver* observer) const {
  std::vector<std::unique_ptr<Stream>> streams;
  for (const auto& device : program_->devices) streams.push_back(device->make_stream(control));
  for (const size_t s : buffers.work) {
    if (control.should_stop()) return stop_reason(control);
    const Step& step = program_->steps[s];
    try {
      run_step(buffers, s, *streams[step.device], control, observer);
    } catch (const Error& error) {
      throw_at(*step.node, error);
    }
  }
  return control.should_stop() ? stop_reason(control) : RunState::kDone;
}

// Lets go of what belongs to this run alone: inputs, outputs, states and values whose dims depended on data.
void Executor::release_run_tensors(Buffers& buffers) const noexcept {
  for (size_t v = 0; v < buffers.values.size(); ++v) {
    if (buffers.fixed[v]) continue;
    buffers.values[v] = {};
    for (const auto& [step, position] : uses_[v]) buffers.inputs[step][position] = {};
    if (const auto [step, position] = makers_[v]; step != kNowhere) buffers.outputs[step][position] = {};
  }
}

// Memory of graph outputs belongs to the caller: given by it, or new. A node computes straight into given
// memory where it can; collect_outputs copies the rest.
void Executor::place_outputs(Buffers& buffers, const RunBindings& bindings) const {
  const Graph& graph = program_->graph;
  if (bindings.outputs.size() > graph.outputs.size()) {
    fail(ErrorCode::kInvalidArgument, "run", "got memory for {} outputs, the graph {} has {}",
         bindings.outputs.size(), graph.name, graph.outputs.size());
  }
  check_apart(graph, bindings);
  for (size_t o = 0; o < graph.outputs.size(); ++o) {
    const Tensor* given = given_output(bindings, o);
    if (const auto& dims = buffers.plan->dims[static_cast<size_t>(graph.outputs[o])];
        given != nullptr && dims)
      check_given(graph.value(graph.outputs[o]), *given, *dims);
    const ValueId root = program_->roots[static_cast<size_t>(graph.outputs[o])];
    const auto [step, position] = makers_[static_cast<size_t>(root)];
    const auto& dims = buffers.plan->dims[static_cast<size_t>(root)];
    if (step == kNowhere || !dims) continue;
    Tensor& slot = buffers.outputs[step][position];
    if (slot.defined()) continue;  // two outputs may show the same memory
    const DType dtype = graph.value(root).type.dtype;
    const bool direct = given != nullptr && given->dtype() == dtype &&
                        given->count() == element_count(*dims) &&
                        std::none_of(bindings.inputs.begin(), bindings.inputs.end(),
                                     [&](const Tensor& input) { return overlap(input, *given); });
    slot = direct ? given->reshaped(*dims) : Tensor::host(dtype, *dims);
  }
}

std::vector<Tensor> Executor::collect_outputs(const Buffers& buffers, const RunBindings& bindings) const {
  const Graph& graph = program_->graph;
  std::vector<Tensor> made;
  for (const ValueId output : graph.outputs) made.push_back(buffers.values[static_cast<size_t>(output)]);
  std::vector<size_t> to_copy;
  for (size_t o = 0; o < made.size(); ++o) {
    const Tensor* given = given_output(bindings, o);
    if (given == nullptr) continue;
    check_given(graph.value(graph.outputs[o]), *given, made[o].dims());
    if (given->data() != made[o].data() && made[o].size_bytes() > 0) to_copy.push_back(o);
  }
  // Before anything is copied: a copy must not change what another output shows or is copied from.
  for (size_t o = 0; o < made.size(); ++o) {
    const auto overwriting = std::find_if(to_copy.begin(), to_copy.end(), [&](size_t copied) {
      return copied != o && overlap(made[o], bindings.outputs[copied]);
    });
    if (overwriting == to_copy.end()) continue;
    if (given_output(bindings, o) == nullptr) {
      fail(ErrorCode::kInvalidArgument, "output " + graph.value(graph.outputs[*overwriting]).name,
           "its memory is what output {} shows, an input's or a constant's; give {} memory of its own",
           graph.value(graph.outputs[o]).name, graph.value(graph.outputs[o]).name);
    }
    made[o] = deep_copy(made[o]);
  }
  for (const size_t o : to_copy) copy_elements(made[o], bindings.outputs[o]);
  for (size_t o = 0; o < made.size(); ++o) {
    if (const Tensor* given = given_output(bindings, o)) made[o] = *given;
  }
  return made;
}

void Executor::return_buffers(std::unique_ptr<Buffers> buffers) noexcept {
  release_run_tensors(*buffers);
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleBuffersKept) idle_.push_back(std::move(buffers));
}

RunState Executor::run(const RunBindings& bindings, const RunControl& control, std::vector<Tensor>& outputs) {
  const Graph& graph = program_->graph;
  const Lease buffers(*this, take_buffers(bindings));
  for (size_t i = 0; i < graph.inputs.size(); ++i) set_value(*buffers, graph.inputs[i], bindings.inputs[i]);
  place_outputs(*buffers, bindings);
  const RunState state = run_steps(*buffers, control, bindings.observer);
  if (state == RunState::kDone) outputs = collect_outputs(*buffers, bindings);
  return state;
}

}  // namespace oag
