"""Bits for Privacy, on exported files: do weights of fewer bits leak less to LiRA, and what else would have done so?"""
