//! Outcomes merged and read back: parts make the whole, in any order.

use super::*;
