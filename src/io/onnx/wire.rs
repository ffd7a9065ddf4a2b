//! The wire format of protocol buffers: numbered fields, each a number or a run of bytes.
//!
//! Every length is compared with the bytes that are there before it is used. Which fields are messages
//! in turn is for [`super::proto`] to say, so the depth of nesting is that of the messages it knows.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// A message, or what is left of it, with its place in the file.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The number of bytes of the file before them.
    pub offset: usize,
}

/// The value of one field.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes, least significant first.
    Fixed64(u64),
    /// A run of bytes: text, a message, or packed numbers.
    Bytes(Message<'a>),
    /// Four bytes, least significant first.
    Fixed32(u32),
}

/// Bytes that are not a message of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// The number of bytes of the file before the place.
    pub offset: usize,
    /// What was found there.
    pub reason: String,
}

/// What a reader of protocol buffers returns.
pub type Wire<T> = Result<T, WireError>;

impl<'a> Message<'a> {
    /// The next field with its number; `None` at the end.
    ///
    /// # Errors
    /// A field that is cut off, or of a kind that does not exist.
    pub fn field(&mut self) -> Wire<Option<(u64, Field<'a>)>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let start = *self;
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Field::Bytes(self.run()?),
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            kind => return Err(start.fail(format!("a field of the unknown kind {kind}"))),
        };
        match tag >> 3 {
            0 => Err(start.fail("a field with the number 0".to_owned())),
            number => Ok(Some((number, field))),
        }
    }

    fn varint(&mut self) -> Wire<u64> {
        let start = *self;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start.fail("a number of more than 64 bits".to_owned()))
    }

    fn run(&mut self) -> Wire<Message<'a>> {
        let start = *self;
        let length = self.varint()?;
        let split = usize::try_from(length).ok().and_then(|n| self.bytes.split_at_checked(n));
        let Some((run, rest)) = split else {
            let left = self.bytes.len();
            return Err(start.fail(format!("a field of {length} bytes where {left} are left")));
        };
        let run = Message { bytes: run, offset: self.offset };
        *self = Message { bytes: rest, offset: self.offset + run.bytes.len() };
        Ok(run)
    }

    fn array<const N: usize>(&mut self) -> Wire<[u8; N]> {
        let Some((array, rest)) = self.bytes.split_first_chunk::<N>() else {
            let left = self.bytes.len();
            return Err(self.fail(format!("a number of {N} bytes where {left} are left")));
        };
        *self = Message { bytes: rest, offset: self.offset + N };
        Ok(*array)
    }

    /// The error of this place.
    pub fn fail(&self, reason: String) -> WireError {
        WireError { offset: self.offset, reason }
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// Bytes that are not UTF-8.
    pub fn text(self) -> Wire<&'a str> {
        std::str::from_utf8(self.bytes).map_err(|_| self.fail("text that is not UTF-8".to_owned()))
    }
}

impl<'a> Field<'a> {
    /// The bytes of the field `what`.
    ///
    /// # Errors
    /// A field that is a number.
    pub fn bytes(self, what: &str, at: Message<'a>) -> Wire<Message<'a>> {
        match self {
            Field::Bytes(message) => Ok(message),
            _ => Err(at.fail(format!("{what} is a number"))),
        }
    }

    /// The whole number in the field `what`.
    ///
    /// # Errors
    /// A field of another kind.
    pub fn varint(self, what: &str, at: Message<'a>) -> Wire<u64> {
        match self {
            Field::Varint(value) => Ok(value),
            _ => Err(at.fail(format!("{what} is not a whole number"))),
        }
    }

    /// Appends the whole numbers of a repeated field, packed or not.
    ///
    /// # Errors
    /// A field of another kind, a number that is cut off.
    pub fn varints(self, what: &str, at: Message<'a>, values: &mut Vec<u64>) -> Wire<()> {
        let Field::Bytes(mut packed) = self else {
            values.push(self.varint(what, at)?);
            return Ok(());
        };
        while !packed.bytes.is_empty() {
            values.push(packed.varint()?);
        }
        Ok(())
    }

    /// Appends the 32-bit numbers of a repeated field, packed or not.
    ///
    /// # Errors
    /// As [`Field::varints`].
    pub fn floats(self, what: &str, at: Message<'a>, values: &mut Vec<f32>) -> Wire<()> {
        match self {
            Field::Fixed32(bits) => values.push(f32::from_bits(bits)),
            Field::Bytes(mut packed) => {
                while !packed.bytes.is_empty() {
                    values.push(f32::from_le_bytes(packed.array()?));
                }
            }
            _ => return Err(at.fail(format!("{what} is not a 32-bit number"))),
        }
        Ok(())
    }

    /// Appends the 64-bit numbers of a repeated field, packed or not.
    ///
    /// # Errors
    /// As [`Field::varints`].
    pub fn doubles(self, what: &str, at: Message<'a>, values: &mut Vec<f64>) -> Wire<()> {
        match self {
            Field::Fixed64(bits) => values.push(f64::from_bits(bits)),
            Field::Bytes(mut packed) => {
                while !packed.bytes.is_empty() {
                    values.push(f64::from_le_bytes(packed.array()?));
                }
            }
            _ => return Err(at.fail(format!("{what} is not a 64-bit number"))),
        }
        Ok(())
    }
}
