//! Membership: chitchat over sealed UDP.
