# attack: Replies of every odd kind: infinities, huge integers, cycles of handles, unknown kinds.
# expect: double failed, half failed
# never: marks, hang

# %% double
import itertools
import nbproctor.remote.student as S
ODD = itertools.cycle([
    {"$": "object", "id": -1, "kind": "class", "class": "int"},
    {"$": "float", "v": "1e999999"},
    {"$": "dict", "v": [[{"$": "dict", "v": []}, 1]]},
    {"$": "import", "v": "os:system"},
    {"$": "slice", "v": [1, 2]},
    {"$": "complex", "v": ["4", {}]},
    {"$": "set", "v": [[1]]},
    {"$": [], "v": None},
    {"$": "error"},
    1 << 40000,
])
def do_call(self, header, decode, encode):
    return {"value": next(ODD), "changed": False}
def double(x):
    return x
S.StudentEnd.do_call = do_call
