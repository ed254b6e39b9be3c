"""Wrong values by the sentence that names the mistake, as the diagnoses of lessons give them."""


def some(wrong):
    """The same; there must be some, or a test that none of them is right would check nothing."""
    assert wrong
    return wrong
