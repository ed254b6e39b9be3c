# attack: set_custom_exc swallows every exception of later cells, failed assertions included.
# expect: double failed, half passed
# never: marks

# %% double
get_ipython().set_custom_exc((Exception,), lambda *args, **kwargs: None)
def double(x):
    return x
