"""Several finished runs together: pooled null twins, and paired comparisons of views. No data set, no device."""
