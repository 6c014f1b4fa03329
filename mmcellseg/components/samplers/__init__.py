from . import weighted_random_sampler
