"""Bits for Privacy, on exported files: do fewer bits a weight leak less to LiRA, and at the same accuracy, too?"""
