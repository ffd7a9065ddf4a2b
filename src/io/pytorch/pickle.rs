//! The part of Python's pickle format that `torch.save` uses. Nothing is executed: calls to the few
//! functions that rebuild tensors are understood, everything else becomes [`Object::Foreign`].

use super::calls::{self, Called};
use super::heap::{Heap, Object, Ref, Storage, Tensor};

/// The latest version of the format of pickles.
const PROTOCOL: u8 = 5;

/// The machine that reads one pickle.
struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    heap: Heap,
    stack: Vec<Ref>,
    memo: std::collections::HashMap<usize, Ref>,
    /// How many more bytes copies of earlier objects may take: a few bytes can ask for one of any object.
    budget: usize,
}

/// Reads the pickle at the start of `bytes`: its objects, the last one, and its length.
///
/// # Errors
/// Damaged data, or an instruction that state dicts do not have, with its byte.
pub(super) fn load(bytes: &[u8]) -> Result<(Heap, Ref, usize), String> {
    let mut machine = Machine {
        bytes,
        position: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        memo: std::collections::HashMap::new(),
        budget: bytes.len().saturating_mul(8).saturating_add(1 << 16),
    };
    loop {
        let start = machine.position;
        let at = |reason: String| format!("byte {start} of the pickle: {reason}");
        let code = machine.byte().map_err(at)?;
        if code == b'.' {
            let result = machine.pop().map_err(at)?;
            if !machine.stack.is_empty() {
                let reason = "objects are left over at the end; the file is damaged";
                return Err(at(reason.to_owned()));
            }
            return Ok((machine.heap, result, machine.position));
        }
        machine.step(code).map_err(at)?;
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.position.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.position..end));
        let taken = taken.ok_or("the data ends too early; the file is truncated")?;
        self.position += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|b| b[0])
    }

    /// An unsigned number of `count` bytes, least significant first.
    fn number(&mut self, count: usize) -> Result<usize, String> {
        let bytes = self.take(count)?;
        Ok(bytes.iter().rev().fold(0, |n, &b| (n << 8) | usize::from(b)))
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|&b| b == b'\n');
        let line = self.take(length.ok_or("a line does not end; the file is truncated")?)?;
        self.position += 1;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.heap.0.len());
        self.heap.0.push(object);
    }

    /// Takes the bytes of a copy from the budget.
    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.budget = self.budget.checked_sub(bytes).ok_or(
            "the objects repeat each other far more often than those of a state dict; the file is damaged",
        )?;
        Ok(())
    }

    fn pop(&mut self) -> Result<Ref, String> {
        self.stack.pop().ok_or_else(|| "the stack is empty; the file is damaged".to_owned())
    }

    fn top(&self) -> Result<Ref, String> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "the stack is empty; the file is damaged".to_owned())
    }

    /// The objects above the last mark, which goes with them.
    fn pop_mark(&mut self) -> Result<Vec<Ref>, String> {
        let mark = self.stack.iter().rposition(|&i| matches!(self.heap.get(i), Object::Mark));
        let items = self.stack.split_off(mark.ok_or("a mark is missing; the file is damaged")?);
        Ok(items.into_iter().skip(1).collect())
    }

    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            0x80 => match self.byte()? {
                0..=PROTOCOL => {}
                version => {
                    return Err(format!(
                        "found a pickle of version {version}, expected at most {PROTOCOL}"
                    ));
                }
            },
            // The length of a part, for readers that fetch parts as a whole.
            0x95 => drop(self.take(8)?),
            b'(' => self.push(Object::Mark),
            b'N' => self.push(Object::None),
            0x88 | 0x89 => self.push(Object::Bool(code == 0x88)),
            b'K' | b'M' | b'J' | 0x8a => self.integer(code)?,
            b'G' => {
                self.take(8)?;
                self.push(Object::Float);
            }
            b'X' | 0x8c | 0x8d | b'U' | b'T' => self.text(code)?,
            b'B' | b'C' | 0x8e => self.data(code)?,
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            b't' | b'l' | 0x85..=0x87 => self.sequence(code)?,
            b'a' | b'e' | b's' | b'u' | b'd' => self.container(code)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memory(code)?,
            b'c' | 0x93 => self.import(code)?,
            b'R' => self.call()?,
            0x81 => self.instance()?,
            b'b' => self.attributes()?,
            b'0' => drop(self.pop()?),
            b'Q' => self.storage()?,
            _ => {
                return Err(format!(
                    "the instruction 0x{code:02x} does not occur in state dicts; save one with torch.save(model.state_dict(), FILE)"
                ));
            }
        }
        Ok(())
    }

    fn integer(&mut self, code: u8) -> Result<(), String> {
        let value = match code {
            b'K' => self.number(1)? as i64,
            b'M' => self.number(2)? as i64,
            b'J' => i64::from(self.number(4)? as u32 as i32),
            _ => {
                let length = self.number(1)?;
                let bytes = self.take(length)?;
                let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
                let mut word = [if negative { 0xff } else { 0 }; 8];
                if length > word.len() {
                    // The magic number of the older format is one; no size is.
                    self.push(Object::Foreign("an integer of more than 64 bits".to_owned()));
                    return Ok(());
                }
                word[..length].copy_from_slice(bytes);
                i64::from_le_bytes(word)
            }
        };
        self.push(Object::Int(value));
        Ok(())
    }

    fn text(&mut self, code: u8) -> Result<(), String> {
        let width = match code {
            0x8c | b'U' => 1,
            0x8d => 8,
            _ => 4,
        };
        let length = self.number(width)?;
        // Python 2 has text in any encoding; names of tensors are in ASCII there, too.
        let text = std::str::from_utf8(self.take(length)?).map(str::to_owned);
        self.push(text.map_or(Object::Bytes, Object::Text));
        Ok(())
    }

    fn data(&mut self, code: u8) -> Result<(), String> {
        let width = match code {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        };
        let length = self.number(width)?;
        self.take(length)?;
        self.push(Object::Bytes);
        Ok(())
    }

    fn sequence(&mut self, code: u8) -> Result<(), String> {
        let items = match code {
            b't' | b'l' => self.pop_mark()?,
            _ => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count);
                self.stack.split_off(start.ok_or("the stack is empty; the file is damaged")?)
            }
        };
        self.push(if code == b'l' { Object::List(items) } else { Object::Tuple(items) });
        Ok(())
    }

    fn container(&mut self, code: u8) -> Result<(), String> {
        let items = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        if code == b'd' {
            self.push(Object::Dict(Vec::new()));
        }
        let target = self.top()?;
        match self.heap.0.get_mut(target) {
            Some(Object::List(list)) if matches!(code, b'a' | b'e') => list.extend(items),
            Some(Object::Dict(_)) if items.len() % 2 == 1 => {
                return Err("a key of a dict has no value; the file is damaged".to_owned());
            }
            Some(Object::Dict(dict)) if matches!(code, b's' | b'u' | b'd') => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            Some(Object::Foreign(_)) => {}
            _ => {
                return Err(
                    "items are added to something that has none; the file is damaged".to_owned()
                );
            }
        }
        Ok(())
    }

    fn memory(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' | b'h' => self.number(1)?,
            b'r' | b'j' => self.number(4)?,
            _ => self.memo.len(),
        };
        if matches!(code, b'h' | b'j') {
            let found = self.memo.get(&key).copied();
            self.stack.push(
                found.ok_or_else(|| format!("object {key} is not known; the file is damaged"))?,
            );
        } else {
            self.memo.insert(key, self.top()?);
        }
        Ok(())
    }

    fn import(&mut self, code: u8) -> Result<(), String> {
        let (module, name) = if code == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            let text = |i| {
                self.heap
                    .text(i)
                    .map(str::to_owned)
                    .ok_or("a name is not text; the file is damaged")
            };
            (text(module)?, text(name)?)
        };
        self.charge(module.len() + name.len())?;
        self.push(Object::Global(format!("{module}.{name}")));
        Ok(())
    }

    /// What a call would give; nothing is called.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(name) = self.heap.global(function).map(str::to_owned) else {
            self.push(Object::Foreign("an object".to_owned()));
            return Ok(());
        };
        self.charge(name.len())?;
        // One more than any function that is understood takes, so that a surplus is seen.
        let arguments: Vec<Ref> = match self.heap.get(arguments) {
            Object::Tuple(items) => items.iter().take(9).copied().collect(),
            _ => return Err(format!("the arguments of {name} are no tuple; the file is damaged")),
        };
        if name.starts_with("torch._utils._rebuild_tensor") {
            let axes: usize = arguments.iter().map(|&i| self.heap.length(i)).sum();
            self.charge(size_of::<Tensor>() + axes.saturating_mul(size_of::<usize>()))?;
        }
        match calls::call(&self.heap, &name, &arguments)? {
            Called::Argument(result) => self.stack.push(result),
            Called::New(object) => self.push(object),
        }
        Ok(())
    }

    /// An object of a class, of which only dicts are understood.
    fn instance(&mut self) -> Result<(), String> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let name = self.heap.global(class).unwrap_or("an object").to_owned();
        self.charge(name.len())?;
        let is_dict = matches!(name.as_str(), "collections.OrderedDict" | "builtins.dict");
        let object = match self.heap.get(arguments) {
            Object::Tuple(items) if is_dict && items.is_empty() => Object::Dict(Vec::new()),
            _ => Object::Foreign(name),
        };
        self.push(object);
        Ok(())
    }

    /// Attributes of the object below. Those of a dict (`_metadata`) are not its members; those of a tensor
    /// could be its numbers.
    fn attributes(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.heap.get(self.top()?) {
            Object::Dict(_) | Object::Foreign(_) => Ok(()),
            Object::Tensor(_) => Err(
                "the state of a tensor is set, which can replace its numbers; load the file and save it again with a later version of PyTorch"
                    .to_owned(),
            ),
            _ => Err("attributes of something that has none; the file is damaged".to_owned()),
        }
    }

    /// The numbers that tensors share, by the id under which the file has them.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let object = calls::storage(&self.heap, id)?;
        if let Object::Storage(storage) = &object {
            let copied = size_of::<Storage>() + storage.kind.len() + storage.key.len();
            self.charge(copied)?;
        }
        self.push(object);
        Ok(())
    }
}
