# attack: run_code is replaced by one that runs no code of later cells.
# expect: double failed|kernel died, half failed|kernel died
# never: marks

# %% double
async def nothing(*args, **kwargs):
    return False
get_ipython().run_code = nothing
def double(x):
    return x
