"""What a scanner and its users do to an ideal image: slices, blur, bias field, motion, noise, misalignment.

Each step is parted into *drawing* its parameters, from a numpy generator, and *applying* them. What is random at every
voxel (bias field, noise) comes from a torch generator, whose seed is a parameter.
"""
