/** How a request divided its flavor's ephemeral and swap disks; NULL: as the flavor says. */
export const localDisks: readonly string[] = [`ALTER TABLE servers ADD COLUMN local_disks TEXT`]
