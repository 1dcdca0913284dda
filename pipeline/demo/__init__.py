"""The demo company: a maker of shift planning whose customers leave by a hidden hazard that is known to the tests.

It knows the contract and nothing else of the product, so that what the product finds in it was not put there twice.
"""
