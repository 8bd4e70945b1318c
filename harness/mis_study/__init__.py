"""Studies of the MIS indicator: does it order quantizers as the truth does, and what does safety cost in use?

``synthetic`` meets laws whose true leakage is known; ``molecules`` puts quantized heads on frozen molecule
representations. Each writes one page, and resumes.
"""
