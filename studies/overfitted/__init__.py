"""Do compressed versions of an overfitted network leak more than it does, and than copies that compress nothing?"""
