//! What is left when a process dies: killed with SIGKILL in the middle of every step, and started again.

mod fulfilment;
mod trap;
