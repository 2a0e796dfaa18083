#!/usr/bin/env python3
"""Every operator of ai.onnx and ai.onnx.ml with all versions that ONNX's own schemas have.

Writes a line for each: domain, operator, the opsets that defined it (comma-separated, without the one that
deprecated it for good), and the first of them from which on a node is well formed, with the same defaults,
under the newest definition: it has no attribute and no default that is gone, and all inputs that are demanded.
(Whether it also means the same takes reading.)
Needs onnx 1.23.2. Usage: make_onnx_versions.py > tests/data/onnx/versions.tsv
"""

import collections

import onnx.defs
from onnx import helper

DOMAINS = ("", "ai.onnx.ml")


def default(attribute):
    proto = attribute.default_value
    return helper.get_attribute_value(proto) if proto.type else None


def required(parameters):
    return sum(p.option != onnx.defs.OpSchema.FormalParameterOption.Optional for p in parameters)


def well_formed(old, new):
    for name, attribute in old.attributes.items():
        if name not in new.attributes or attribute.type != new.attributes[name].type:
            return False
        if default(attribute) != default(new.attributes[name]):
            return False
    for name, attribute in new.attributes.items():
        if attribute.required and not (name in old.attributes and old.attributes[name].required):
            return False
    return (
        old.min_input >= required(new.inputs)
        and old.max_input <= new.max_input
        and len(old.outputs) <= len(new.outputs)
    )


def main():
    versions = collections.defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in DOMAINS:
            versions[schema.domain, schema.name].append(schema)
    for (domain, name), schemas in sorted(versions.items()):
        schemas.sort(key=lambda schema: schema.since_version)
        if schemas[-1].deprecated:
            schemas.pop()
        first = schemas[-1]
        for schema in reversed(schemas):
            if not well_formed(schema, schemas[-1]):
                break
            first = schema
        since = ",".join(str(schema.since_version) for schema in schemas)
        print(domain or "ai.onnx", name, since, first.since_version, sep="\t")


if __name__ == "__main__":
    main()
