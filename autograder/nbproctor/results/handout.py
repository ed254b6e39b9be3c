"""What Gradescope runs to hand out results that were made elsewhere.

A file of its own, without any import of ours: it lies alone in the autograder's archive. A student
gets the result that stands beside their address, if what they handed in is what was graded. In all
other cases there is no results.json, so that Gradescope shows a failed autograder and no score:
nobody gets zero for not having been graded.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["hand_out", "main"]


def hand_out(
    root: Path, graded: "dict[str, dict[str, Any]]"
) -> "tuple[dict[str, Any] | None, str]":
    """The results for what lies below `root` (Gradescope's /autograder), or why there are none.

    Args:
        graded: by address, in small letters, `results` and the digests of the notebooks that got
            them (`notebooks`).
    """
    metadata = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))
    addresses = [str(user.get("email", "")).casefold() for user in metadata.get("users", [])]
    found = [graded[address] for address in addresses if address in graded]
    if not found:
        return None, f"no result was made for {', '.join(addresses) or 'a submission of nobody'}"
    if any(entry != found[0] for entry in found):
        return None, f"the results of {', '.join(addresses)} differ"
    paths = [path for path in (root / "submission").rglob("*.ipynb") if path.is_file()]
    here = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    if not set(found[0]["notebooks"]) <= here:
        return None, "another version was graded than the one that is here: grade this one first"
    return found[0]["results"], ""


def main(root: Path) -> int:
    """Write results.json, or say why not. Students do not see what is printed."""
    graded = json.loads((Path(__file__).parent / "graded.json").read_text(encoding="utf-8"))
    results, why = hand_out(root, graded)
    if results is None:
        print(why)
        return 1
    target = root / "results" / "results.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "/autograder")))
