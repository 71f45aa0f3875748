-- A request is known by its experiment and its id, as in inbox: one for another experiment may have the same id.
ALTER TABLE mailbox DROP CONSTRAINT mailbox_pkey, ADD PRIMARY KEY (experiment, id);
