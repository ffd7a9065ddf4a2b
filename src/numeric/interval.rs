//! Interval arithmetic with outward rounding.
