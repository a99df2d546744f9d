"""The record that each run prints and, with --json, writes."""
import json


def write(record, path):
    print(json.dumps(record, indent=1))
    if path:
        with open(path, "w") as file:
            json.dump(record, file, indent=1)
