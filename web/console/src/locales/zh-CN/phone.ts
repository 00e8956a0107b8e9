export const phone = {
  phone: { softphone: '软电话' },
}
