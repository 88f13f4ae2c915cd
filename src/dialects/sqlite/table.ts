/** Triggers that an UPDATE of a table fires; what stands before `ON` says of which statement a trigger is. */
export const TRIGGERS =
  "SELECT name FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?) AND upper(sql) LIKE '%UPDATE%'"
