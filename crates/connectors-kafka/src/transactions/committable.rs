//! What a checkpoint stores of one transaction.

use millstream_core::{Error, Result};
use millstream_runtime::Committable;
use serde::{Deserialize, Serialize};

/// Format of the bytes.
const VERSION: u8 = 1;

/// Everything that another process needs to end the transaction, or to find out how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) cluster_id: String,
    pub(crate) id: String,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// Key of its record in the ledger.
    pub(crate) nonce: [u8; 16],
    pub(crate) ledger: String,
    pub(crate) start_ms: i64,
    pub(crate) timeout_ms: i64,
}

impl Transaction {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&(VERSION, self))?)
    }
    pub(crate) fn decode(committable: &Committable) -> Result<Transaction> {
        match committable.payload.first() {
            Some(&VERSION) => {}
            other => {
                return Err(Error::corrupt(format!(
                    "a stored transaction has format {other:?}, this version knows {VERSION}"
                ))
                .advice("restore with the version of Millstream that took the checkpoint"));
            }
        }
        let (_, transaction): (u8, Transaction) = postcard::from_bytes(&committable.payload)?;
        Ok(transaction)
    }
    /// The nonce as the ledger's key.
    pub(crate) fn key(&self) -> String {
        hex(&self.nonce)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Epoch;

    #[test]
    fn what_is_stored_comes_back_and_other_formats_are_refused() {
        let transaction = Transaction {
            cluster_id: "c".into(),
            id: "p.0.1e2.3.4".into(),
            producer_id: 1,
            producer_epoch: 2,
            nonce: [7; 16],
            ledger: "p.ledger".into(),
            start_ms: 5,
            timeout_ms: 6,
        };
        let stored = |payload| Committable { epoch: Epoch(1), writer: 0, payload };
        let mut bytes = transaction.encode().unwrap();
        assert_eq!(Transaction::decode(&stored(bytes.clone())).unwrap(), transaction);
        bytes[0] = 9;
        let error = Transaction::decode(&stored(bytes)).unwrap_err().to_string();
        assert!(error.contains("format Some(9)"), "{error}");
        assert!(Transaction::decode(&stored(vec![1, 200])).is_err());
    }
}
