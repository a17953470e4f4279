//! The cluster's secrets: random text, made at the first start, readable by the owner only.

use std::path::Path;

use rand::TryRng;
use rand::rngs::SysRng;

use super::file;

/// 256 bits; as text twice as many hexadecimal digits. The text is the key.
const SECRET_LEN: usize = 32;

/// The secret in this file, made now if there is none.
pub(crate) fn ensure(path: &Path) -> Result<String, file::Error> {
    if !path.exists() {
        let mut bytes = [0; SECRET_LEN];
        SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        file::write_once(path, text.as_bytes())?;
    }
    read(path)
}

/// The secret in this file.
pub(crate) fn read(path: &Path) -> Result<String, file::Error> {
    let text = std::fs::read_to_string(path).map_err(|source| file::Error::new("read the secret", path, source))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once() {
        let temp = tempfile::tempdir().unwrap();
        let secret = ensure(&temp.path().join("one")).unwrap();
        assert_eq!(secret.len(), 2 * SECRET_LEN);
        assert_eq!(ensure(&temp.path().join("one")).unwrap(), secret);
        assert_ne!(ensure(&temp.path().join("other")).unwrap(), secret);
    }
}
