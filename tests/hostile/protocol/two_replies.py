# attack: Two replies to one question: the second is meant for a question still to come.
# expect: double failed, half passed
# never: marks

# %% double
import nbproctor.remote.student as S
real = S.StudentEnd.do_call
def do_call(self, header, decode, encode):
    for value in (4, 6, True, 4):
        self.channel.send({"ok": {"value": value, "changed": False}}, [], S.FOREVER)
    return {"value": True, "changed": False}
def double(x):
    return x
S.StudentEnd.do_call = do_call

# %% half
S.StudentEnd.do_call = real
def half(x):
    return x / 2
