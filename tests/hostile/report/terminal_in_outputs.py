# attack: Control sequences in prints, errors and sources write on the terminal of who reads logs.
# expect: double failed, half passed
# never: page

# %% double
print("\x1b]0;@MARK@\x07\x1b[2J\x1b[H@MARK@")
raise RuntimeError("\x1b]52;c;@MARK@\x07 @MARK@\x08\x08\x08")
