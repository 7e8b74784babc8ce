//! Statistics, each with its source. Pure functions over slices of finite samples; must not know metrics or verdicts.
