-- What a person does with its account: mailed links that change the address or
-- the password, and the devices that it signs in on.

-- The address that the account had when a change was asked for.
ALTER TABLE challenges ADD COLUMN old_email text NOT NULL DEFAULT '';

-- How many mails an address got lately, whoever asked for them.
CREATE INDEX challenges_email ON challenges (lower(email), created_at);

-- The hash is of the person and the random cookie of the device together, so
-- that rows do not tell which people share a device.
CREATE TABLE known_devices (
    user_id      uuid        NOT NULL,
    device_hash  bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_hash)
);
CREATE INDEX known_devices_age ON known_devices (last_used_at);
