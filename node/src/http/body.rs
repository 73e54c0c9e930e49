//! Takes in the body of a request without ever holding more than was agreed: each body has a bound, and all bodies
//! that are being worked on share a budget.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::refusal::Refused;

/// Bytes that all requests together may hold. At the bound a request waits a moment and is then refused with a 429.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    kibibytes: Arc<Semaphore>,
    kibibytes_max: u32,
}

impl Budget {
    /// Returns a budget of `bytes_max`.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let kibibytes_max = u32::try_from(bytes_max >> 10).unwrap_or(u32::MAX).max(1);
        Self { kibibytes: Arc::new(Semaphore::new(kibibytes_max as usize)), kibibytes_max }
    }

    /// Takes `bytes` out of the budget until the share is dropped. More than all of it counts as all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Share, Refused> {
        let mut share = Share { budget: self.clone(), permit: None };
        share.grow(bytes).await?;
        Ok(share)
    }
}

/// What one request has of the [`Budget`].
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Gives the share back and takes one of `bytes`: whoever holds a part and waits for more would wait for others who
    /// do the same.
    pub(crate) async fn retake(&mut self, bytes: usize) -> Result<(), Refused> {
        self.permit = None;
        self.grow(bytes).await
    }

    /// Takes more, if the share is smaller than `bytes`.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), Refused> {
        let wanted = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).saturating_add(1).min(self.budget.kibibytes_max);
        let had = self.permit.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX));
        let Some(more) = wanted.checked_sub(had).filter(|more| *more > 0) else { return Ok(()) };
        let acquired = timeout(BUDGET_WAIT, self.budget.kibibytes.clone().acquire_many_owned(more)).await;
        let Ok(Ok(permit)) = acquired else {
            let sentence = "too many bytes are being taken in at this moment; send this again a little later";
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, sentence).retry_after(Duration::from_secs(1)));
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }
}

/// Reads a body of at most `bytes_max`. The share covers it twice: as it came, and as it will be decoded. It is taken before
/// the bytes come, so a client that sends none for [`BODY_IDLE_MAX`] loses it.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    budget: &Budget,
) -> Result<(Bytes, Share), Refused> {
    let claimed = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if claimed.is_some_and(|claimed| claimed > bytes_max) {
        discard_stream(body.into_data_stream()).await;
        return Err(too_large(bytes_max));
    }
    let mut covered = claimed.unwrap_or(0);
    let mut share = budget.take(2 * covered).await?;
    let mut read = Vec::with_capacity(covered);
    let mut stream = body.into_data_stream();
    while let Some(piece) = timeout(BODY_IDLE_MAX, stream.next()).await.map_err(|_| stalled())? {
        let piece = piece.map_err(|error| Refused::bad_request(format!("the body broke off: {error}")))?;
        if read.len() + piece.len() > bytes_max {
            discard_stream(stream).await;
            return Err(too_large(bytes_max));
        }
        read.extend_from_slice(&piece);
        if read.len() > covered {
            // Without a length the budget is taken as the body grows, in steps.
            covered = read.len() + BUDGET_STEP;
            share.grow(2 * covered).await?;
        }
    }
    Ok((read.into(), share))
}

/// Reads on for a while and forgets, since many clients look for an answer only after they have sent all.
async fn discard_stream(mut stream: axum::body::BodyDataStream) {
    let _ = timeout(DISCARD_TIME_MAX, async {
        let mut discarded = 0;
        while let Some(Ok(piece)) = stream.next().await {
            discarded += piece.len();
            if discarded > DISCARD_BYTES_MAX {
                return;
            }
        }
    })
    .await;
}

fn stalled() -> Refused {
    let sentence = format!("nothing more of the body came for {BODY_IDLE_MAX:?}; send it again");
    Refused::new(StatusCode::REQUEST_TIMEOUT, sentence)
}

fn too_large(bytes_max: usize) -> Refused {
    let sentence =
        format!("the body is larger than {bytes_max} bytes (limits.body_bytes_max); send it in smaller pieces");
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
}

/// How long a request waits for its share.
const BUDGET_WAIT: Duration = Duration::from_secs(5);
/// How long the next piece of a body may be awaited: others wait for the room that was kept for it. A guess.
const BODY_IDLE_MAX: Duration = Duration::from_secs(10);
const BUDGET_STEP: usize = 256 << 10;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(10);
const DISCARD_BYTES_MAX: usize = 2 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(length: usize, claimed: Option<usize>, bytes_max: usize) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        if let Some(claimed) = claimed {
            headers.insert(CONTENT_LENGTH, claimed.into());
        }
        let pieces = (0..length.div_ceil(10)).map(|at| Ok::<_, std::io::Error>(vec![0u8; 10.min(length - 10 * at)]));
        let body = Body::from_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
        match read(&headers, body, bytes_max, &Budget::new(1 << 20)).await {
            Ok((bytes, _)) => {
                assert_eq!(bytes.len(), length);
                None
            }
            Err(refused) => Some(axum::response::IntoResponse::into_response(refused).status()),
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        assert_eq!(check(100, Some(100), 100).await, None);
        assert_eq!(check(100, None, 100).await, None);
        assert_eq!(check(101, None, 100).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(check(10, Some(101), 100).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stalls_gives_its_room_back() {
        let budget = Budget::new(1 << 20);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, (1_usize << 19).into());
        let first = futures::stream::iter([Ok::<_, std::io::Error>(vec![0u8; 10])]);
        let body = Body::from_stream(first.chain(futures::stream::pending()));
        let began = tokio::time::Instant::now();
        let refused = read(&headers, body, 1 << 20, &budget).await.unwrap_err();
        let refused = axum::response::IntoResponse::into_response(refused);
        assert_eq!((refused.status(), began.elapsed()), (StatusCode::REQUEST_TIMEOUT, BODY_IDLE_MAX));
        assert!(budget.take(1 << 20).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_budget_a_request_is_told_to_come_back() {
        let budget = Budget::new(1 << 20);
        let _all = budget.take(1 << 20).await.unwrap();
        let refused = axum::response::IntoResponse::into_response(budget.take(1).await.unwrap_err());
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key("retry-after"));
    }
}
