# attack: showtraceback is replaced, so that errors of later cells leave no output.
# expect: double failed, half failed
# never: marks

# %% double
shell = get_ipython()
shell.showtraceback = shell._showtraceback = lambda *args, **kwargs: None
def double(x):
    return x

# %% half
def half(x):
    return 7
