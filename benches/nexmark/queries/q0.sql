-- q0: pass through. What reading and writing cost alone.
SELECT auction, bidder, price, `dateTime`, extra FROM bid
