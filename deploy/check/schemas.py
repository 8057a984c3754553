"""Checks manifests against the schemas of Kubernetes: besides what types say, what is required, and which values there are.

    python schemas.py WHEEL FILE...

The wheel is the one of schemas.txt, which has the schemas of all versions. It is read, not installed: it has 17,000
files. Kinds that are not Kubernetes' own are left to the types of their makers, in Go.
"""
import json
import sys
import zipfile

import jsonschema
import referencing
import yaml

# The oldest version that the chart is for, and the newest one that there are schemas of.
VERSIONS = ["1.28.0", "1.37.0"]
OTHERS = {"ServiceMonitor"}


class Version:
    def __init__(self, wheel, version):
        self.wheel, self.name, self.validators = wheel, version, {}
        self.folder = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/"
        self.registry = referencing.Registry(retrieve=self.read)

    def read(self, name):
        schema = json.loads(self.wheel.read(self.folder + name.rsplit("/")[-1]))
        return referencing.Resource.from_contents(schema, default_specification=referencing.jsonschema.DRAFT202012)

    def faults(self, thing):
        group, _, version = thing["apiVersion"].rpartition("/")
        name = "-".join(filter(None, [thing["kind"].lower(), group.split(".")[0], version])) + ".json"
        if name not in self.validators:
            self.validators[name] = jsonschema.Draft202012Validator({"$ref": name}, registry=self.registry)
        return self.validators[name].iter_errors(thing)


checked = faults = 0
with zipfile.ZipFile(sys.argv[1]) as wheel:
    versions = [Version(wheel, v) for v in VERSIONS]
    for path in sys.argv[2:]:
        with open(path) as file:
            things = [t for t in yaml.safe_load_all(file) if t and t["kind"] not in OTHERS]
        for thing in things:
            for version in versions:
                checked += 1
                for fault in version.faults(thing):
                    faults += 1
                    where = ".".join(map(str, fault.absolute_path))
                    print(f"{path}: {thing['kind']} {thing['metadata']['name']}, Kubernetes {version.name}: {where}: {fault.message}", file=sys.stderr)
print(f"{len(sys.argv) - 2} files, {checked} checks against schemas: {faults} faults")
sys.exit(faults > 0 or checked == 0)
