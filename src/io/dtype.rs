//! The number types of tensor files, and their exact conversion to `f64`.

use std::io::Read;

use half::{bf16, f16};

use super::ReadOptions;

/// How many bytes the arrays of a model may still take, as 64-bit numbers.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    taken: usize,
}

impl Budget {
    /// What the options allow.
    pub fn new(options: &ReadOptions) -> Budget {
        Budget { limit: options.memory_limit.unwrap_or(usize::MAX), taken: 0 }
    }

    /// No limit.
    pub fn unlimited() -> Budget {
        Budget { limit: usize::MAX, taken: 0 }
    }

    /// Takes the bytes of an array of `count` numbers, before it is allocated.
    ///
    /// # Errors
    /// What the arrays need, where that is more than the limit.
    pub fn take(&mut self, count: usize) -> Result<(), String> {
        self.taken = self.taken.saturating_add(count.saturating_mul(8));
        if self.taken <= self.limit {
            return Ok(());
        }
        Err(format!(
            "the arrays up to this one take {} bytes as 64-bit numbers, above the limit of {} bytes for the memory; raise --memory-limit, or use a machine with more",
            self.taken, self.limit
        ))
    }
}

/// How an array cannot be read.
#[derive(Debug)]
pub enum Broken {
    /// The bytes end after so many.
    Short(usize),
    /// They cannot be read at all.
    Unreadable(std::io::Error),
    /// What they say is not acceptable.
    Value(String),
}

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

    /// Reads `count` numbers, in pieces: no other array of their size is needed.
    ///
    /// # Errors
    /// As [`Dtype::decode`], and where the bytes end too early or cannot be read.
    pub fn read(
        self,
        reader: &mut dyn Read,
        count: usize,
        big_endian: bool,
    ) -> Result<Vec<f64>, Broken> {
        const PIECE: usize = 1 << 18;
        let mut values = Vec::new();
        let no_memory = |_| Broken::Value(format!("no memory for {count} numbers"));
        values.try_reserve_exact(count).map_err(no_memory)?;
        let mut piece = vec![0; PIECE.min(count.saturating_mul(self.size()))];
        let mut left = count.saturating_mul(self.size());
        while left > 0 {
            let part = &mut piece[..left.min(PIECE)];
            let filled = fill(reader, part).map_err(Broken::Unreadable)?;
            if filled < part.len() {
                return Err(Broken::Short(count * self.size() - left + filled));
            }
            self.decode_into(&mut values, part, big_endian).map_err(Broken::Value)?;
            left -= filled;
        }
        Ok(values)
    }

    /// The numbers in `bytes`, which has [`Dtype::size`] bytes for each (a shorter rest is ignored).
    ///
    /// # Errors
    /// A 64-bit integer that is not representable in `f64`, with its position; too little memory.
    pub fn decode(self, bytes: &[u8], big_endian: bool) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        let count = bytes.len() / self.size();
        values.try_reserve_exact(count).map_err(|_| format!("no memory for {count} numbers"))?;
        self.decode_into(&mut values, bytes, big_endian)?;
        Ok(values)
    }

    /// Appends the numbers in `bytes`.
    fn decode_into(
        self,
        values: &mut Vec<f64>,
        bytes: &[u8],
        big_endian: bool,
    ) -> Result<(), String> {
        match self {
            // The usual ones, without a branch for each number.
            Dtype::F64 if !big_endian => {
                values.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)));
                return Ok(());
            }
            Dtype::F32 if !big_endian => {
                let numbers = bytes.as_chunks::<4>().0.iter();
                values.extend(numbers.map(|b| f64::from(f32::from_le_bytes(*b))));
                return Ok(());
            }
            _ => {}
        }
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
        Ok(())
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

/// Reads until the bytes are full or there are no more; returns how many were read.
fn fill(reader: &mut dyn Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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
