"""Put a distilled set into the package with what was measured of it: zoo.py NAME FOLDER RESULTS.json "made by ..." "teachers ..."

`teddy_validate --set FOLDER --out RESULTS.json` measures one. The set, its card and its results become `teddy_nb/zoo/sets/NAME`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from teddy_nb.data.datasets import LICENCES
from teddy_nb.runs.distilled_set import read_set
from teddy_nb.runs.files import read_json, write_file, write_json
from teddy_nb.students.scores import Result

SETS = Path(__file__).parents[1] / "teddy_nb" / "zoo" / "sets"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("name", "folder", "results", "made_by", "teachers"):
        parser.add_argument(name)
    args = parser.parse_args()
    found = read_set(args.folder)
    source = found.provenance["source"]
    first = {
        "source": source,
        "licence of the source": next(v for k, v in LICENCES.items() if source.startswith(k)),
        "made by": args.made_by,
    }
    found = replace(found, provenance={**first, "teachers": args.teachers, **found.provenance})
    results = [Result(**r) for r in read_json(Path(args.results))]
    kind = lambda r: "class" if r.labels == "hard" else "soft"
    scores = {f"accuracy, {r.method}, {kind(r)} labels": f"{r.mean:.1f} % ({r.protocol_text})" for r in results}
    folder = SETS / args.name
    found.write(folder)
    write_json(folder / "results.json", read_json(Path(args.results)))
    write_file(folder / "README.md", found.dataset_card(f"zoo/sets/{args.name}", **scores))
    print((folder / "README.md").read_text())


if __name__ == "__main__":
    main()
