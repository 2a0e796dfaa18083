#pragma once

#include "service/hub/hub.h"
#include "service/hub/huggingface_name.h"
#include "service/hub/huggingface_settings.h"

namespace oag {

// Brings a model of a hub into the shared cache, several files at a time. A file appears there when its size
// and checksum are right, and the revision is noted when all of them are there; what came of the others is
// kept and gone on with next time. When the hub cannot be reached and the revision is here already, that is
// what counts. Errors: kNotFound, kNetwork, kIo (disk full: with numbers), kCorruptData, kInvalidArgument,
// kCancelled.
RepositoryPull pull_huggingface(const HuggingFaceSettings& settings, const HuggingFaceName& name,
                                const PullOptions& options);

}  // namespace oag
