//! Certificate authorities of Amazon RDS, which operating systems do not trust by default.

/// Root certificates of RDS as PEM, with the region of each.
pub const RDS_AUTHORITIES: &str = include_str!("rds_authorities.pem");
