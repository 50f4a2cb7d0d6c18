/** What a guest is told of its creation, and the password it posted. */
export const guestData: readonly string[] = [
  `ALTER TABLE servers ADD COLUMN injected_files TEXT NOT NULL DEFAULT '[]'`,
  `ALTER TABLE servers ADD COLUMN boot_roles TEXT NOT NULL DEFAULT '[]'`,
  `ALTER TABLE servers ADD COLUMN guest_password TEXT`,
]
