//! How the pool opens connections, and how it sees that one has died while nobody used it.

use diesel::PgConnection;
use diesel::r2d2::{ConnectionManager, Error, ManageConnection};
use secrecy::{ExposeSecret, SecretString};

/// Diesel's manager, but for the look at a connection before it is handed out: the socket tells whether the server has
/// gone, and nothing is asked. So a restart of the database fails what was in flight, and nothing that comes after it.
#[derive(Debug)]
pub struct Manager(ConnectionManager<PgConnection>);

impl Manager {
    /// Of connections to the database at this URL.
    pub fn new(url: &SecretString) -> Self {
        Self(ConnectionManager::new(url.expose_secret()))
    }
}

impl ManageConnection for Manager {
    type Connection = PgConnection;
    type Error = Error;

    fn connect(&self) -> Result<PgConnection, Error> {
        self.0.connect()
    }

    fn is_valid(&self, conn: &mut PgConnection) -> Result<(), Error> {
        // Reading messages reads the socket. The first time there may be the server's last words, the second time its end.
        for _ in 0..2 {
            conn.notifications_iter()
                .try_for_each(|message| message.map(drop))
                .map_err(Error::QueryError)?;
        }
        Ok(())
    }

    fn has_broken(&self, conn: &mut PgConnection) -> bool {
        self.0.has_broken(conn)
    }
}
