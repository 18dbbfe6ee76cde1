//! In place of the admin server where the feature `admin` is off: asking for
//! one is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::Error;
use crate::run::live::Live;

/// An admin server that runs; there is none.
pub(crate) enum Admin {}

/// An address that is bound; there is none.
pub(crate) enum Bound {}

impl Bound {
    /// # Errors
    ///
    /// Always: there is nothing that could answer at the address.
    pub(crate) fn bind(address: &str, _: Option<&str>) -> Result<Self, Error> {
        Err(Error::Option {
            name: "listen".to_owned(),
            value: address.to_owned(),
            remedy: "this program was built without the admin server: enable the feature `admin` \
                     of the crate soakscope, or set neither .listen(..) nor SOAKSCOPE_LISTEN"
                .to_owned(),
        })
    }

    pub(crate) fn serve(self, _: Arc<Live>) -> Result<Admin, Error> {
        match self {}
    }
}

impl Admin {
    pub(crate) fn address(&self) -> SocketAddr {
        match *self {}
    }
}
