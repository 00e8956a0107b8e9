export const phone = {
  phone: { softphone: 'Softphone' },
}
