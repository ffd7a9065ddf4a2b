//! The number types of tensor files, and their exact conversion to `f64`.

use half::{bf16, f16};

/// A type of numbers that has exact `f64` values (64-bit integers only where they are representable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// The upper half of a single-precision number.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Signed 8-bit integers.
    I8,
    /// Signed 16-bit integers.
    I16,
    /// Signed 32-bit integers.
    I32,
    /// Signed 64-bit integers.
    I64,
    /// Unsigned 8-bit integers.
    U8,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 32-bit integers.
    U32,
    /// Unsigned 64-bit integers.
    U64,
}

/// The types that are accepted, for messages.
pub const ACCEPTED: &str = "16-, 32- or 64-bit floating point or integers";

impl Dtype {
    /// The number of bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::I8 | Dtype::U8 => 1,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
        }
    }

    /// The numbers in `bytes`, which has [`Dtype::size`] bytes for each (a shorter rest is ignored).
    ///
    /// # Errors
    /// A 64-bit integer that is not representable in `f64`, with its position; too little memory.
    pub fn decode(self, bytes: &[u8], big_endian: bool) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        let count = bytes.len() / self.size();
        values.try_reserve_exact(count).map_err(|_| format!("no memory for {count} numbers"))?;
        for chunk in bytes.chunks_exact(self.size()) {
            let mut word = [0; 8];
            let word = &mut word[..chunk.len()];
            word.copy_from_slice(chunk);
            if big_endian {
                word.reverse();
            }
            let value = self.value(word);
            values.push(value.ok_or_else(|| {
                format!(
                    "entry {} is an integer of more than 53 bits, which 64-bit floating point cannot represent",
                    values.len()
                )
            })?);
        }
        Ok(values)
    }

    /// The number with the given bytes, least significant first.
    fn value(self, word: &[u8]) -> Option<f64> {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        let bits = u64::from_le_bytes(bytes);
        Some(match self {
            Dtype::F16 => f16::from_bits(bits as u16).to_f64(),
            Dtype::Bf16 => bf16::from_bits(bits as u16).to_f64(),
            Dtype::F32 => f64::from(f32::from_bits(bits as u32)),
            Dtype::F64 => f64::from_bits(bits),
            Dtype::I8 => f64::from(bits as u8 as i8),
            Dtype::I16 => f64::from(bits as u16 as i16),
            Dtype::I32 => f64::from(bits as u32 as i32),
            Dtype::U8 | Dtype::U16 | Dtype::U32 => f64::from(bits as u32),
            Dtype::I64 => exact(i128::from(bits as i64))?,
            Dtype::U64 => exact(i128::from(bits))?,
        })
    }
}

fn exact(n: i128) -> Option<f64> {
    let x = n as f64;
    (x as i128 == n).then_some(x)
}

/// The number of elements of a tensor that a file describes, if it can be counted.
pub fn count(shape: &[usize]) -> Option<usize> {
    // A zero makes the tensor empty, but the other lengths must not overflow either.
    let nonzero = shape.iter().filter(|&&n| n > 0).try_fold(1, |p: usize, &n| p.checked_mul(n))?;
    if shape.contains(&0) { Some(0) } else { Some(nonzero) }
}

#[cfg(test)]
mod tests {
    use super::{Dtype, count};

    #[test]
    fn numbers_are_exact_in_both_byte_orders() {
        let check = |dtype: Dtype, little: &[u8], expected: f64| {
            assert_eq!(dtype.decode(little, false), Ok(vec![expected]), "{dtype:?}");
            let big: Vec<u8> = little.iter().rev().copied().collect();
            assert_eq!(dtype.decode(&big, true), Ok(vec![expected]), "{dtype:?}");
        };
        check(Dtype::F16, &[0x00, 0xc0], -2.0);
        check(Dtype::F16, &[0x01, 0x00], 2f64.powi(-24));
        check(Dtype::Bf16, &[0x20, 0xc0], -2.5);
        check(Dtype::F32, &0.1f32.to_le_bytes(), f64::from(0.1f32));
        check(Dtype::F64, &0.1f64.to_le_bytes(), 0.1);
        check(Dtype::I8, &[0xff], -1.0);
        check(Dtype::U8, &[0xff], 255.0);
        check(Dtype::I16, &(-300i16).to_le_bytes(), -300.0);
        check(Dtype::U16, &65535u16.to_le_bytes(), 65535.0);
        check(Dtype::I32, &i32::MIN.to_le_bytes(), -2147483648.0);
        check(Dtype::U32, &u32::MAX.to_le_bytes(), 4294967295.0);
        check(Dtype::I64, &(-(1i64 << 53)).to_le_bytes(), -9007199254740992.0);
        check(Dtype::U64, &(1u64 << 63).to_le_bytes(), 9223372036854775808.0);
        let bytes = [1i64.to_le_bytes(), ((1i64 << 53) + 1).to_le_bytes()].concat();
        let error = Dtype::I64.decode(&bytes, false).expect_err("54 bits");
        assert!(error.starts_with("entry 1 is an integer of more than 53 bits"), "{error}");
    }

    #[test]
    fn huge_shapes_are_not_counted() {
        assert_eq!(count(&[3, 4]), Some(12));
        assert_eq!(count(&[]), Some(1));
        assert_eq!(count(&[3, 0]), Some(0));
        assert_eq!(count(&[usize::MAX, 2]), None);
        assert_eq!(count(&[0, usize::MAX, 2]), None);
    }
}
