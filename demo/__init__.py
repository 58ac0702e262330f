"""A small company in a box: one seeded simulator that writes every feed of the contract, day by day.

Belongs here: the made-up network, catalogue, customers and files. Does not: anything the product needs to run on real feeds.
"""
